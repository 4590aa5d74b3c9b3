package catalog

import "testing"

// TestRestorable names are those of stores, and those under which programs write them first.
func TestRestorable(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"a.rvf": true, "a.RVF": true, "a.rvdna": true, ".a.rvf.Xy12Z3": true, "a.rvf.part": true, "a.rvf.5f1c.partial": true, "a.rvf~": true,
		".goutputstream-8F2A": false, "a": false, "a.txt": false, "a.part": false, "a.rvf.bak": false, ".a": false, ".a.txt.Xy12Z3": false,
		".x.rvf.rvffs-tmp": false, "a.rvf.lock": false,
	} {
		if got := Restorable(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}

// TestStoresAreNamedAfterFiles without the ending that names a format.
func TestStoresAreNamedAfterFiles(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"a.npy": "a.rvf", "A.CSV": "A.rvf", "a.jsonl": "a.rvf", "a.f32": "a.rvf", "a.b.csv": "a.b.rvf", "a": "a.rvf", "a.dat": "a.dat.rvf",
		"a.rvf": "a.rvf", "a.rvdna": "a.rvdna", "2024-05": "2024-05.rvf",
	} {
		if got := storeNameOf(file); got != want {
			t.Errorf("%q makes %q, want %q", file, got, want)
		}
	}
}
