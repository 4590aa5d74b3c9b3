package fs

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"rvffs/store/catalog"
	"rvffs/store/vecio"
)

func TestVectorNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		id     uint64
		format vecio.FileFormat
	}{
		"0.json":                   {0, vecio.FileJSONL},
		"12.f32":                   {12, vecio.FileF32},
		"18446744073709551615.f32": {math.MaxUint64, vecio.FileF32},
	} {
		if id, format, valid := parseVectorName(name); !valid || id != want.id || format != want.format {
			t.Errorf("%s is %d, %s, %v", name, id, format, valid)
		}
	}
	for _, name := range []string{"", ".json", "1", "1.", "01.json", "+1.f32", "-1.f32", "1.npy", "1.json.f32", "18446744073709551616.f32", "0x1.f32", "1 .f32"} {
		if id, _, valid := parseVectorName(name); valid {
			t.Errorf("%q is vector %d", name, id)
		}
	}
}

// TestVectorInodes: the number of a file about one vector stays, and no two that are
// looked at are one file, though numbers recur.
func TestVectorInodes(t *testing.T) {
	t.Parallel()
	folder := newStore(t)
	far := strconv.Itoa(7 + 1<<19) // its number is that of 7
	var text []byte
	for _, id := range []string{"7", far} {
		text = append(text, `{"id":`+id+`,"vector":[`+id+`,0,0,0]}`+"\n"...)
	}
	if err := os.WriteFile(filepath.Join(folder, catalog.NameAppend), text, 0); err != nil {
		t.Fatal(err)
	}
	read := func(name string) (content []byte, number uint64) {
		t.Helper()
		path := filepath.Join(folder, byIDPath, name)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return content, info.Sys().(*syscall.Stat_t).Ino
	}
	near, number := read("7.f32")
	other, otherNumber := read(far + ".f32")
	if slices.Equal(near, other) || len(near) != rowSize {
		t.Errorf("two vectors are %x and %x", near, other)
	}
	if number != otherNumber || number >= 1<<53 {
		t.Errorf("numbers %d and %d", number, otherNumber)
	}
	if _, third := read("7.json"); third == number {
		t.Error("two forms of a vector have one number")
	}
	if err := os.WriteFile(filepath.Join(folder, catalog.NameAppend), []byte(`{"id":7,"vector":[1,2,3,4]}`), 0); err != nil {
		t.Fatal(err)
	}
	if again, after := read("7.f32"); after != number || slices.Equal(again, near) {
		t.Errorf("after a commit the vector is %x, number %d", again, after)
	}
}
