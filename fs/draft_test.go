package fs

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"rvffs/store/compute"
)

// TestDraftLengths: the length of an image that is being written can be set, and one
// that no image may have is refused, to the call that asks for it.
func TestDraftLengths(t *testing.T) {
	t.Parallel()
	folder := newStore(t)
	draft, err := os.OpenFile(filepath.Join(folder, "kernel", "image"), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	size := func(want int64) {
		t.Helper()
		if info, err := draft.Stat(); err != nil || info.Size() != want {
			t.Errorf("the draft is %v, %v, want %d bytes", info.Size(), err, want)
		}
	}
	if _, err := draft.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	size(1000)
	for _, length := range []int64{2000, 10, 0, 5000} {
		if err := draft.Truncate(length); err != nil {
			t.Errorf("length %d: %v", length, err)
		}
		size(length)
	}
	if err := draft.Truncate(1 << 50); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("a length of a petabyte: %v", err)
	}
	_ = draft.Close() // which fails as well, as after any failed write
}

// TestWishesAreForgotten: a thread that does not come back leaves nothing behind.
func TestWishesAreForgotten(t *testing.T) {
	t.Parallel()
	var d drafts
	w := draft{thread: 1, part: compute.Part("kernel/image")}
	if !d.wish(w) || !d.has(w) {
		t.Error("a wish is not noted")
	}
	if d.wish(w) || d.has(w) {
		t.Error("a wish that nobody fulfils is noted for ever")
	}
	if d.wish(draft{part: w.part}) {
		t.Error("a thread out of sight is believed to come back")
	}
	for thread := range uint32(100) {
		d.wish(draft{thread: thread + 1})
	}
	for old := range d.wished {
		d.wished[old] = time.Now().Add(-2 * draftPatience)
	}
	d.wish(w)
	if len(d.wished) != 1 {
		t.Errorf("%d wishes are kept", len(d.wished))
	}
	d.begun(w)
	if d.has(w) {
		t.Error("a wish that was fulfilled is kept")
	}
}
