package segments

import (
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

func TestCRCJoinEqualsChecksumOfWhole(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, length := range []int{0, 1, 2, 7, 64, 4095, 100_000} {
		whole := make([]byte, length)
		for i := range whole {
			whole[i] = byte(random.Uint32())
		}
		for _, cut := range []int{0, length / 3, length} {
			first, second := whole[:cut], whole[cut:]
			got := JoinCRC(crc32.ChecksumIEEE(first), crc32.ChecksumIEEE(second), int64(len(second)))
			if want := crc32.ChecksumIEEE(whole); got != want {
				t.Errorf("length %d cut at %d: %08x, want %08x", length, cut, got, want)
			}
		}
	}
}

func TestCRCOfZeros(t *testing.T) {
	t.Parallel()
	for _, length := range []int64{0, 1, 2, 3, 7, 64, 255, 4096, 100_001} {
		if got, want := zerosCRC(length), crc32.ChecksumIEEE(make([]byte, length)); got != want {
			t.Errorf("%d zeros: %08x, want %08x", length, got, want)
		}
	}
	var sum crcSum
	_, _ = sum.Write([]byte("before"))
	sum.zeros(70_000)
	_, _ = sum.Write([]byte("behind"))
	whole := append(append([]byte("before"), make([]byte, 70_000)...), "behind"...)
	if want := crc32.ChecksumIEEE(whole); uint32(sum) != want {
		t.Errorf("%08x, want %08x", uint32(sum), want)
	}
}
