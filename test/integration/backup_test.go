package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBackupsReadEachStoreOnce: the commands of docs/backup.md, with programs that save
// whatever they find, and the way back.
func TestBackupsReadEachStoreOnce(t *testing.T) {
	t.Parallel()
	demandProgram(t, "tar")
	demandProgram(t, "rsync")
	demandProgram(t, "borg")
	dir := t.TempDir()
	const dimension, rows = 64, 4000
	makeStore(t, filepath.Join(dir, "products.rvf"), dimension, make([]float32, dimension*rows))
	m := serve(t, dir)
	demand(t, "derive", os.Mkdir(m.path("products.rvf", "shoes.rvf"), 0o755))
	put(t, m.path("products.rvf", "shoes.rvf", "vectors.append"), strings.Repeat("[1"+strings.Repeat(",1", dimension-1)+"]\n", 100))
	put(t, m.path("products.rvf", "incoming", "x.csv"), "1"+strings.Repeat(",1", dimension-1)+"\n")
	stores := map[string][]byte{
		"products.rvf": readFile(t, m.path("products.rvf", "raw")),
		"shoes.rvf":    readFile(t, m.path("products.rvf", "shoes.rvf", "raw")),
	}
	size := int64(len(stores["products.rvf"]) + len(stores["shoes.rvf"]))
	total := func(point string) (bytes int64) {
		t.Helper()
		if _, err := fmt.Sscan(run(t, "du", "-sb", "--exclude=.rvffs", point), &bytes); err != nil {
			t.Fatal(err)
		}
		return bytes
	}
	if all := total(m.Point); all < 5*size {
		t.Errorf("the mount shows %d bytes of stores of %d", all, size)
	}
	const slack = 64 << 10 // for what tells of the stores, and folders
	if none := total(serve(t, dir, "-o", "ro,views=none").Point); none > slack {
		t.Errorf("views=none shows %d bytes", none)
	}
	b := serve(t, dir, "-o", "ro,views=raw")
	if raw := total(b.Point); raw < size || raw > size+slack {
		t.Errorf("views=raw shows %d bytes of stores of %d", raw, size)
	}
	// What is not listed is there.
	if header := readFile(t, b.path("products.rvf", "vectors", "vectors.npy")); !bytes.HasPrefix(header, []byte("\x93NUMPY")) {
		t.Errorf("vectors.npy begins with %.20q", header)
	}
	for _, name := range []string{"vectors", "incoming", "vectors.append", "query"} {
		if listed := run(t, "ls", b.path("products.rvf")); strings.Contains("\n"+listed, "\n"+name+"\n") {
			t.Errorf("%s is listed in\n%s", name, listed)
		}
	}

	saved := t.TempDir()
	in := func(name string) string { return filepath.Join(saved, name) }
	if info, err := os.Stat(run(t, "bash", "-c", `tar c -f "$1/stores.tar" -C "$2" --exclude=./.rvffs . && printf %s "$1/stores.tar"`, "bash", saved, b.Point)); err != nil || info.Size() > size+2*slack {
		t.Errorf("the archive: %v, %v", info, err)
	}
	run(t, "rsync", "-a", "--exclude=/.rvffs", b.Point+"/", in("stores")+"/")
	type way struct{ products, shoes string }
	ways := map[string]way{
		"rsync": {in("stores/products.rvf/raw"), in("stores/products.rvf/shoes.rvf/raw")},
	}
	shell(t, `cd "$1"; tar x -O -f stores.tar ./products.rvf/raw > p.rvf; tar x -O -f stores.tar ./products.rvf/shoes.rvf/raw > s.rvf`, saved)
	ways["tar"] = way{in("p.rvf"), in("s.rvf")}
	shell(t, `cd "$1"; export BORG_BASE_DIR=$1/borg; borg init -e none repository; borg create repository::monday "$2"
			borg extract --stdout repository::monday "${2#/}/products.rvf/raw" > bp.rvf
			borg extract --stdout repository::monday "${2#/}/products.rvf/shoes.rvf/raw" > bs.rvf`, saved, b.Point)
	ways["borg"] = way{in("bp.rvf"), in("bs.rvf")}
	for name, from := range ways {
		r := serve(t, t.TempDir())
		// The child first: its parent may come later.
		run(t, "cp", from.shoes, r.path("shoes.rvf"))
		run(t, "cp", from.products, r.path("products.rvf"))
		run(t, program, "verify", r.backing("products.rvf"), r.backing("shoes.rvf"))
		eventually(t, name+": the child stands in its parent's folder", func() error {
			_, err := os.Stat(r.path("products.rvf", "shoes.rvf", "raw"))
			return err
		})
		for store, path := range map[string]string{"products.rvf": r.path("products.rvf", "raw"), "shoes.rvf": r.path("products.rvf", "shoes.rvf", "raw")} {
			if !bytes.Equal(readFile(t, path), stores[store]) {
				t.Errorf("%s: %s is not what was saved", name, store)
			}
		}
		put(t, r.path("products.rvf", "vectors.append"), "[1"+strings.Repeat(",1", dimension-1)+"]\n")
	}
	if got := try(t, "cp", "-a", in("stores/products.rvf"), serve(t, t.TempDir()).Point); got.code == 0 || strings.Count(got.stderr, "\n") > 2 {
		t.Errorf("cp -a of a saved folder: exit status %d\n%s", got.code, got.stderr)
	}
}
