package filelog

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// FuzzLockRecord reads the bytes of lock files, which anybody may have written: what is
// taken for a record says what it says in any file that is long enough, and one of ours
// is read as it was made.
func FuzzLockRecord(f *testing.F) {
	made := lockRecord{process: 77, host: "a host", time: time.Unix(12, 34), owner: [16]byte{1, 2, 3}}
	f.Add(bytes.Repeat([]byte{0xee}, 16), "", uint32(1), int64(0))
	f.Add(made.encode(), "a host", uint32(77), int64(12_000_000_034))
	f.Add(made.encode()[:lockSize-1], strings.Repeat("long", 40), uint32(1<<31), int64(-1))
	f.Add(append(bytes.Repeat([]byte{0xff}, lockSize), 1, 2, 3), "", uint32(0), int64(1<<62))
	f.Fuzz(func(t *testing.T, content []byte, host string, process uint32, at int64) {
		record, valid := parseLock(content)
		if valid != (len(content) >= lockSize && bytes.HasPrefix(content, []byte("FLVR"))) {
			t.Errorf("%d bytes, %.8q: valid %t", len(content), content, valid)
		}
		if len(record.host) > lockHostSize || strings.Contains(record.host, "\x00") {
			t.Errorf("host %q", record.host)
		}
		_ = record.String()
		now := time.Now()
		if record.stale(now, record.host, func(int) bool { return true }) {
			t.Error("the lock of a living process is stale")
		}
		if again, _ := parseLock(append(content, 0)); again != record && valid {
			t.Errorf("%+v, with a byte more %+v", record, again)
		}
		ours := lockRecord{process: int(process), host: host, time: time.Unix(0, at)}
		copy(ours.owner[:], content)
		read, valid := parseLock(ours.encode())
		short, _, _ := strings.Cut(host[:min(len(host), lockHostSize-2)], "\x00")
		if !valid || read.process != ours.process || read.host != short || !read.time.Equal(ours.time) || read.owner != ours.owner {
			t.Errorf("%+v is read as %+v", ours, read)
		}
	})
}
