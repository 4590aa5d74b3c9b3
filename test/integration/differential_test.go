package integration

import (
	"crypto/sha3"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rvffs/test/integration/peer"
	"rvffs/test/integration/rawfile"
)

// extensions are the five by which a store file is known, with the profiles that
// they stand for.
var extensions = []struct{ extension, profile string }{
	{".rvf", "generic"}, {".rvdna", "RVDNA"}, {".rvtext", "RVText"}, {".rvgraph", "RVGraph"}, {".rvvis", "RVVision"},
}

// agree checks that the independent reader, the engine, the reference runtime
// and the mounted folder all find these vectors in a file, with everything
// around them.
func agree(t *testing.T, moment string, process *peer.Process, m *mount, name string, want model) {
	t.Helper()
	path := m.backing(name)
	for who, check := range map[string]func() error{
		"file":   func() error { return fileHolds(path, want) },
		"engine": func() error { return engineHolds(path, want) },
		"peer":   func() error { return peerHolds(process, path, want) },
		"folder": func() error { return folderShows(m.path(name), path) },
	} {
		if err := check(); err != nil {
			t.Fatalf("%s: %s: %v", moment, who, err)
		}
	}
}

// soon lets the mount notice what another program did to the file.
func soon(t *testing.T, m *mount, name string) {
	t.Helper()
	eventually(t, "the mount shows what another program wrote", func() error {
		return folderShows(m.path(name), m.backing(name))
	})
}

// TestPeerReadsOurStores writes stores in every way that rvffs has and lets
// everybody read them after each step.
func TestPeerReadsOurStores(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		metric    string
		dimension int
	}{{"l2", 8}, {"ip", 5}, {"cosine", 33}} {
		t.Run(kind.metric, func(t *testing.T) {
			t.Parallel()
			process := peer.Start(t)
			dir := t.TempDir()
			m := serve(t, dir)
			rows := func(seed uint64, count int) [][]float32 { return randomRows(seed, count, kind.dimension) }
			want := model{}
			const name = "store.rvf"
			check := func(moment string) {
				t.Helper()
				agree(t, moment, process, m, name, want)
			}

			run(t, program, "create", m.backing(name), "--dimension", fmt.Sprint(kind.dimension), "--metric", kind.metric)
			soon(t, m, name)
			check("created")

			for batch := range uint64(3) {
				added := rows(batch, 20)
				pourRaw(t, m, name, added)
				want.put(numbered(want.next(), added))
				check(fmt.Sprintf("raw batch %d", batch))
			}

			explicit := numbered(500, rows(10, 5))
			explicit[1<<40], explicit[3] = rows(11, 1)[0], rows(12, 1)[0]
			if err := pour(m.path(name, "vectors.append"), explicit.jsonLines(t)); err != nil {
				t.Fatal(err)
			}
			want.put(explicit)
			check("JSON lines with ids, one of them known")

			gone := []uint64{1, 3, 502, 1 << 40}
			engineDelete(t, m.backing(name), gone...)
			want.remove(gone...)
			soon(t, m, name)
			check("deleted")

			again := model{3: rows(13, 1)[0], 502: rows(14, 1)[0]}
			if err := pour(m.path(name, "vectors.append"), again.jsonLines(t)); err != nil {
				t.Fatal(err)
			}
			want.put(again)
			check("added again")

			engineKernel(t, m.backing(name), []byte("a kernel's image"), "console=ttyS0 quiet")
			engineEBPF(t, m.backing(name), []byte("\x7fELF a program"), []byte("its types"))
			soon(t, m, name)
			check("kernel and program embedded")
			kernelIs(t, process, m.backing(name), "a kernel's imageconsole=ttyS0 quiet")
			programIs(t, process, m.backing(name), "\x7fELF a programits types")

			before := len(readFile(t, m.backing(name)))
			engineCompact(t, m.backing(name))
			soon(t, m, name)
			check("compacted")
			if after := len(readFile(t, m.backing(name))); after >= before {
				t.Errorf("compaction left %d bytes of %d", after, before)
			}
			kernelIs(t, process, m.backing(name), "a kernel's imageconsole=ttyS0 quiet")
			programIs(t, process, m.backing(name), "\x7fELF a programits types")

			for _, entry := range must(witnesses(m.path(name)))(t) {
				if entry.Verdict != "start" && entry.Verdict != "linked" {
					t.Errorf("an audit entry of ours is %s: %+v", entry.Verdict, entry)
				}
			}

			m.stop()
			if leftBehind := names(t, dir); !slices.Equal(leftBehind, []string{name}) {
				t.Errorf("after the unmount the folder holds %v", leftBehind)
			}
			m = serve(t, dir)
			check("reopened")
			more := rows(15, 7)
			pourRaw(t, m, name, more)
			want.put(numbered(want.next(), more)) // compaction has forgotten the deleted ids
			check("appended after the reopening")
		})
	}
}

// pourRaw appends rows without ids with dd.
func pourRaw(t *testing.T, m *mount, name string, rows [][]float32) {
	t.Helper()
	source := writeFile(t, filepath.Join(t.TempDir(), "rows.f32"), rawRows(rows...))
	run(t, "dd", "if="+source, "of="+m.path(name, "vectors.append"), "bs=1M", "conv=notrunc", "status=none")
}

// kernelIs checks what the reference runtime extracts.
func kernelIs(t *testing.T, process *peer.Process, path, want string) {
	t.Helper()
	store := must(process.OpenReadonly(path))(t)
	defer store.Close()
	if got := must(store.ExtractKernel())(t); got == nil || string(got.Bytes) != want {
		t.Errorf("the peer extracts the kernel %v, want %q", got, want)
	}
}

// programIs checks what the reference runtime extracts.
func programIs(t *testing.T, process *peer.Process, path, want string) {
	t.Helper()
	store := must(process.OpenReadonly(path))(t)
	defer store.Close()
	if got := must(store.ExtractEBPF())(t); got == nil || string(got.Bytes) != want {
		t.Errorf("the peer extracts the program %v, want %q", got, want)
	}
}

// TestPeerReadsOurChildren derives to each extension, by mkdir and by the
// command, and lets the reference runtime read and fill the children.
func TestPeerReadsOurChildren(t *testing.T) {
	t.Parallel()
	process := peer.Start(t)
	m := serve(t, t.TempDir())
	const dimension = 6
	run(t, program, "create", m.backing("parent.rvf"), "--dimension", fmt.Sprint(dimension), "--metric", "cosine")
	soon(t, m, "parent.rvf")
	pourRaw(t, m, "parent.rvf", randomRows(1, 30, dimension))
	parent := must(rawfile.Read(m.backing("parent.rvf")))(t)
	ids := map[string]bool{parent.Newest().Identity.FileIDHex(): true}

	derive := map[string]func(t *testing.T, name string){
		"mkdir": func(t *testing.T, name string) { run(t, "mkdir", m.path("parent.rvf", name)) },
		"command": func(t *testing.T, name string) {
			run(t, program, "derive", m.backing("parent.rvf"), m.backing(name))
		},
	}
	for way, derive := range derive {
		for _, kind := range extensions {
			name := way + kind.extension
			derive(t, name)
			child := must(rawfile.Read(m.backing(name)))(t)
			identity := child.Newest().Identity
			if ids[identity.FileIDHex()] {
				t.Errorf("%s: the file id %s is not new", name, identity.FileIDHex())
			}
			ids[identity.FileIDHex()] = true
			if identity.ParentID != parent.Newest().Identity.FileID || identity.Depth != 1 {
				t.Errorf("%s: identity %+v of a child of %+v", name, identity, parent.Newest().Identity)
			}
			if !hashesParent(identity.ParentHash, parent) {
				t.Errorf("%s: the parent hash %x is neither of the two known ones", name, identity.ParentHash)
			}
			if newest := child.Newest(); newest.Metric != 2 || newest.Dimension != dimension {
				t.Errorf("%s: metric %d and dimension %d are not the parent's", name, newest.Metric, newest.Dimension)
			}
			if err := peerHolds(process, m.backing(name), model{}); err != nil {
				t.Errorf("%s: %v", name, err)
			}

			want := numbered(100, randomRows(2, 3, dimension))
			store := must(process.Open(m.backing(name)))(t)
			must(store.Ingest(want.ids(), want.flat()))(t)
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			inParent := filepath.Join("parent.rvf", name)
			eventually(t, name+" shows what the peer wrote", func() error {
				return folderShows(m.path(inParent), m.backing(name))
			})
			shown := must(decode[identityView](m.path(inParent, "identity.json")))(t)
			if shown.Profile != kind.profile {
				t.Errorf("%s: profile %q, want %q", name, shown.Profile, kind.profile)
			}
		}
	}
	if err := fileHolds(m.backing("parent.rvf"), numbered(0, randomRows(1, 30, dimension))); err != nil {
		t.Errorf("the parent after all derivations: %v", err)
	}
}

// hashesParent reports whether a child's parent hash is one of the two that are in
// use: SHAKE-256 of the parent's manifest, or the fold over the file's tail.
func hashesParent(hash [32]byte, parent *rawfile.File) bool {
	shake := sha3.SumSHAKE256(parent.Newest().Payload, len(hash))
	return slices.Equal(hash[:], shake) || hash == rawfile.Fold(parent.Bytes[max(0, len(parent.Bytes)-65536):])
}

// TestWeShowPeersStores lets the reference runtime write in every way that it
// has and reads its file after each step, first while it is still open.
func TestWeShowPeersStores(t *testing.T) {
	t.Parallel()
	for metric, peerMetric := range map[string]string{"l2": "l2", "ip": "inner_product", "cosine": "cosine"} {
		t.Run(metric, func(t *testing.T) {
			t.Parallel()
			const dimension = 7
			process := peer.Start(t)
			m := serve(t, t.TempDir())
			const name = "peer.rvf"
			path := m.backing(name)
			store := must(process.Create(path, dimension, peerMetric))(t)
			want := model{}
			check := func(moment string) {
				t.Helper()
				soon(t, m, name)
				agree(t, moment, process, m, name, want)
			}
			check("created")

			for batch := range uint64(4) {
				added := numbered(10*batch+1, randomRows(batch, 10, dimension))
				must(store.Ingest(added.ids(), added.flat()))(t)
				want.put(added)
				check(fmt.Sprintf("batch %d", batch))
			}
			replaced := numbered(5, randomRows(9, 3, dimension))
			must(store.Ingest(replaced.ids(), replaced.flat()))(t)
			want.put(replaced)
			check("replaced")

			must(store.Delete([]uint64{1, 6, 40}))(t)
			want.remove(1, 6, 40)
			check("deleted")

			must(store.Ingest([]uint64{6}, randomRows(10, 1, dimension)[0]))(t)
			check("added again: the peer leaves the id on its list, so it stays invisible")

			err := store.EmbedKernel(peer.Kernel{Type: 1, Flags: 8, Image: []byte("image"), Port: 8080, Cmdline: "a=b"})
			if err == nil {
				err = store.EmbedEBPF(peer.EBPF{ProgramType: 1, AttachType: 2, Program: []byte("program"), BTF: []byte("btf")})
			}
			if err != nil {
				t.Fatal(err)
			}
			check("kernel and program embedded")

			for _, kind := range extensions {
				child := must(store.Derive(m.backing("child" + kind.extension)))(t)
				identity := must(child.Identity())(t)
				if err := child.Close(); err != nil {
					t.Fatal(err)
				}
				inParent := filepath.Join(name, "child"+kind.extension)
				eventually(t, "the child is shown in its parent", func() error {
					return folderShows(m.path(inParent), m.backing("child"+kind.extension))
				})
				shown := must(decode[identityView](m.path(inParent, "identity.json")))(t)
				if shown.FileID != identity.FileID || shown.ParentID != identity.ParentID ||
					shown.LineageDepth != 1 || shown.Profile != kind.profile || shown.Root {
					t.Errorf("child%s is shown as %+v, the peer says %+v", kind.extension, shown, identity)
				}
			}

			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			check("closed")
			store = must(process.Open(path))(t)
			more := numbered(90, randomRows(11, 4, dimension))
			must(store.Ingest(more.ids(), more.flat()))(t)
			want.put(more)
			check("reopened and appended: ids of segments recur")

			must(store.Compact())(t)
			check("compacted")
			must(store.Ingest([]uint64{200}, randomRows(12, 1, dimension)[0]))(t)
			want[200] = randomRows(12, 1, dimension)[0]
			check("appended after the compaction")
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestTakingTurns lets both programs write to one file, ten rounds, through one
// living mount.
func TestTakingTurns(t *testing.T) {
	t.Parallel()
	const dimension, name = 9, "shared.rvf"
	process := peer.Start(t)
	m := serve(t, t.TempDir())
	path := m.backing(name)
	run(t, program, "create", path, "--dimension", fmt.Sprint(dimension))
	soon(t, m, name)
	want := model{}
	var forgotten []uint64

	for round := range uint64(10) {
		moment := func(what string) string { return fmt.Sprintf("round %d: %s", round, what) }

		ours := randomRows(2*round, 10, dimension)
		pourRaw(t, m, name, ours)
		want.put(numbered(want.next(), ours))
		agree(t, moment("we appended"), process, m, name, want)

		store := peersTurn(t, process, path)
		theirs := numbered(1000+100*round, randomRows(2*round+1, 10, dimension))
		must(store.Ingest(theirs.ids(), theirs.flat()))(t)
		want.put(theirs)
		dead := []uint64{theirs.ids()[3], 0 + round}
		must(store.Delete(dead))(t)
		want.remove(dead...)
		forgotten = append(forgotten, dead...)
		switch round {
		case 3:
			if err := store.EmbedKernel(peer.Kernel{Image: []byte("theirs"), Cmdline: "x"}); err != nil {
				t.Fatal(err)
			}
		case 5:
			must(store.Compact())(t)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		soon(t, m, name)
		agree(t, moment("they appended and deleted"), process, m, name, want)

		revived := model{forgotten[0]: randomRows(100+round, 1, dimension)[0]}
		forgotten = forgotten[1:]
		if err := pour(m.path(name, "vectors.append"), revived.jsonLines(t)); err != nil {
			t.Fatal(err)
		}
		want.put(revived)
		agree(t, moment("we added a vector again that they had deleted"), process, m, name, want)
		switch round {
		case 6:
			engineEBPF(t, path, []byte("ours"), nil)
			soon(t, m, name)
		case 8:
			engineCompact(t, path)
			soon(t, m, name)
			agree(t, moment("we compacted"), process, m, name, want)
		}
	}
	kernelIs(t, process, path, "theirsx")
	programIs(t, process, path, "ours")
	run(t, program, "verify", path) // the audit chain of both is one
}

// peersTurn opens the file for the peer as soon as the mount gives it free.
func peersTurn(t *testing.T, process *peer.Process, path string) (store *peer.Store) {
	t.Helper()
	eventually(t, "the peer may write", func() (err error) {
		store, err = process.Open(path)
		var refusal *peer.Error
		if errors.As(err, &refusal) && !strings.Contains(refusal.Message, "LockHeld") {
			t.Fatal(err)
		}
		return err
	})
	return store
}

// TestPeersIndexStaysRight lets the reference runtime index a store, then
// replaces, deletes and adds: its next search must find what is there now.
func TestPeersIndexStaysRight(t *testing.T) {
	t.Parallel()
	const dimension, count, name = 2, 1100, "indexed.rvf"
	process := peer.Start(t)
	m := serve(t, t.TempDir())
	path := m.backing(name)
	want := numbered(0, randomRows(1, count, dimension))
	store := must(process.Create(path, dimension, "l2"))(t)
	must(store.Ingest(want.ids(), want.flat()))(t)
	must(store.Search(want[7], 3))(t)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := firstNamed(must(rawfile.Read(path))(t), rawfile.TypeIndex); !ok {
		t.Fatal("the peer left no index")
	}
	soon(t, m, name)

	changed := model{7: {50, 50}, 5000: {-60, 60}}
	if err := pour(m.path(name, "vectors.append"), changed.jsonLines(t)); err != nil {
		t.Fatal(err)
	}
	want.put(changed)
	agree(t, "one replaced, one new", process, m, name, want)
	store = must(process.OpenReadonly(path))(t)
	defer store.Close()
	for _, id := range changed.ids() {
		found := must(store.Search(changed[id], 1))(t)
		if len(found) != 1 || found[0].ID != id || found[0].Distance != 0 {
			t.Errorf("the peer's search for id %d finds %v", id, found)
		}
	}
}

// TestBackupUnderPeer copies raw and lets the reference runtime open the copy.
func TestBackupUnderPeer(t *testing.T) {
	t.Parallel()
	process := peer.Start(t)
	m := serve(t, t.TempDir())
	want := numbered(0, randomRows(1, 12, 3))
	run(t, program, "create", m.backing("store.rvf"), "--dimension", "3")
	soon(t, m, "store.rvf")
	pourRaw(t, m, "store.rvf", randomRows(1, 12, 3))
	backup := filepath.Join(t.TempDir(), "backup.rvf")
	run(t, "cp", m.path("store.rvf", "raw"), backup)
	if err := peerHolds(process, backup, want); err != nil {
		t.Error(err)
	}
}
