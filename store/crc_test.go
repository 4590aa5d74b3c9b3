package store

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
			got := crcJoin(crc32.ChecksumIEEE(first), crc32.ChecksumIEEE(second), int64(len(second)))
			if want := crc32.ChecksumIEEE(whole); got != want {
				t.Errorf("length %d cut at %d: %08x, want %08x", length, cut, got, want)
			}
		}
	}
}
