package journal

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// TestFollowerFindsEachLineOnce, however much is forgotten behind it.
func TestFollowerFindsEachLineOnce(t *testing.T) {
	t.Parallel()
	const limit = 1 << 10
	l := New()
	var followed, written []byte
	buffer := make([]byte, 100)
	var at int64
	for i := range 1000 {
		line := fmt.Appendf(nil, "line %d\n", i)
		written = append(written, line...)
		l.Append(line, limit)
		for {
			n, err := l.ReadAt(buffer, at)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
			followed, at = append(followed, buffer[:n]...), at+int64(n)
		}
	}
	if !bytes.Equal(followed, written) {
		t.Error("the follower found something else than was written")
	}
	first, end := l.Extent()
	if end != int64(len(written)) || end-first > limit || end-first < limit/2 {
		t.Errorf("%d to %d of %d bytes are kept, want the newest %d or somewhat less", first, end, len(written), limit)
	}
	if text := l.Text(); !bytes.Equal(text, written[first:]) || !bytes.HasPrefix(text, []byte("line ")) {
		t.Errorf("kept: %q", text)
	}
	if _, err := l.ReadAt(buffer, first-1); !errors.Is(err, ErrForgotten) {
		t.Errorf("what is forgotten reads as %v", err)
	}
}

// TestShrinkGivesMemoryBack, and keeps whole lines.
func TestShrinkGivesMemoryBack(t *testing.T) {
	t.Parallel()
	l := New()
	before := l.Append(bytes.Repeat([]byte("0123456789\n"), 1000), 1<<20)
	after := l.Shrink(1000)
	if text := l.Text(); after >= before/2 || len(text) > 1000 || len(text) < 500 || !bytes.HasPrefix(text, []byte("0123")) {
		t.Errorf("%d bytes before, %d after, for the %d bytes %.20q", before, after, len(l.Text()), l.Text())
	}
	if l.Shrink(0); len(l.Text()) != 0 {
		t.Errorf("%d bytes are left of nothing", len(l.Text()))
	}
}
