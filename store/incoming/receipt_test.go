package incoming

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// TestNotice is the same in whatever pieces it is read, and of the size of the file.
func TestNotice(t *testing.T) {
	t.Parallel()
	const size = 4097
	n := notice{[]byte(`{"result":"taken"}`), size}
	whole, err := io.ReadAll(io.NewSectionReader(n, 0, size+100))
	if err != nil || len(whole) != size || !strings.HasPrefix(string(whole), string(n.start())+"   ") || !bytes.HasSuffix(whole, noticeEnd) {
		t.Fatalf("%v, %d bytes, %q", err, len(whole), whole)
	}
	for _, piece := range []int{1, 7, 100, size - 1} {
		for offset := 0; offset < size; offset += piece {
			got := make([]byte, piece)
			count, _ := n.ReadAt(got, int64(offset))
			if want := whole[offset:min(offset+piece, size)]; !bytes.Equal(got[:count], want) {
				t.Fatalf("%d bytes at %d are %q, want %q", piece, offset, got[:count], want)
			}
		}
	}
}

// TestNoticeOfASmallFile is as much as there is room for.
func TestNoticeOfASmallFile(t *testing.T) {
	t.Parallel()
	for size, want := range map[int64]string{
		1: "\xff", 16: string(noticeEnd), 20: "A re" + string(noticeEnd), 0: "",
	} {
		got, err := io.ReadAll(io.NewSectionReader(notice{[]byte("{}"), size}, 0, 100))
		if err != nil || string(got) != want {
			t.Errorf("of %d bytes it is %q, %v", size, got, err)
		}
	}
}

// TestErrorNames are as long as names may be, at most, and lead to one file each.
func TestErrorNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 125)
	seen := map[string]bool{}
	for _, name := range []string{"a", "b/a", long + "1.csv", long + "2.csv", "b/" + long + "1.csv", strings.Repeat("x", 249), strings.Repeat("x", 250)} {
		got := errorName(name)
		base := got[strings.LastIndexByte(got, '/')+1:]
		if len(base) > longestName || !strings.HasSuffix(got, errorEnding) || strings.ToValidUTF8(got, "") != got || seen[got] {
			t.Errorf("that of %q is %q", name, got)
		}
		seen[got] = true
		if short := name + errorEnding; len(short) <= longestName && got != short {
			t.Errorf("that of %q is %q", name, got)
		}
	}
}
