package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/compute"
	"rvffs/store/recovery"
	"rvffs/store/storetest"
	"rvffs/store/volume"
	"rvffs/test/integration/peer"
	"rvffs/test/integration/rawfile"
)

// family is a folder of stores that rvffs and the reference runtime write in turns, and that
// are made, copied and killed as people do.
type family struct {
	*testing.T
	random  *rand.Rand
	dir     string
	process *peer.Process // nil when it has died
	theirs  *peer.Store   // open by the peer; nil while none is
	at      string        // the one that it has open
	members map[string]*member
	made    int // how many there ever were
	next    uint64
	steps   []string
}

// member is what is known of a store.
type member struct {
	parent string   // of which it is a branch
	saved  [][]byte // copies of the file
	torn   bool     // the peer died while it wrote, and nobody has let what is left of that go since
	cut    bool     // and the end is not what the peer wrote: it would believe it, so that we have to be first
	lacks  bool     // what the branch shows may be gone
	frozen bool
}

func (f *family) step(format string, arguments ...any) {
	f.steps = append(f.steps, fmt.Sprintf(format, arguments...))
}

func (f *family) path(name string) string { return filepath.Join(f.dir, name) }

// some is one of the stores.
func (f *family) some() string {
	names := slices.Sorted(maps.Keys(f.members))
	return names[f.random.IntN(len(names))]
}

// name is that of a new store.
func (f *family) name() string {
	f.made++
	return fmt.Sprintf("s%d.rvf", f.made)
}

// rows are new vectors of dimension 4.
func (f *family) rows(count int) ([]uint64, []float32) {
	ids := make([]uint64, count)
	for i := range ids {
		ids[i] = f.next
		f.next++
	}
	return ids, make([]float32, 4*count)
}

// id is one that may be stored.
func (f *family) id() []uint64 { return []uint64{f.random.Uint64N(f.next + 1)} }

// create makes a store without a parent, by either.
func (f *family) create() {
	name := f.name()
	if f.random.IntN(2) == 0 {
		run(f.T, program, "create", f.path(name), "--dimension", "4")
	} else {
		f.close()
		f.theirs, f.at = must(f.peer().Create(f.path(name), 4, "l2"))(f), name
	}
	f.members[name] = &member{}
	f.step("%s is made", name)
}

func (f *family) peer() *peer.Process {
	if f.process == nil {
		f.process = peer.Start(f.T)
	}
	return f.process
}

// opened has the peer open a store, and reports whether it has.
func (f *family) opened(name string) bool {
	if f.theirs != nil && f.at == name {
		return true
	}
	f.close()
	if f.members[name].frozen || f.members[name].cut {
		return false // which the peer does not know
	}
	opened, err := f.peer().Open(f.path(name))
	if err != nil {
		if !f.members[name].torn && f.members[name].parent == "" {
			f.fail("the peer does not open %s: %v", name, err)
		}
		return false
	}
	f.theirs, f.at = opened, name
	f.step("the peer opens %s", name)
	return true
}

// close has the peer close what it has open.
func (f *family) close() {
	if f.theirs == nil {
		return
	}
	if err := f.theirs.Close(); err != nil {
		f.fail("close: %v", err)
	}
	f.step("the peer closes %s", f.at)
	f.theirs = nil
}

func (f *family) fail(format string, arguments ...any) {
	f.Helper()
	f.Fatalf("%s\n%s", fmt.Sprintf(format, arguments...), strings.Join(f.steps, "\n"))
}

// theyWrite has the peer do something, whatever comes of it.
func (f *family) theyWrite(name string) {
	if !f.opened(name) {
		return
	}
	var err error
	what := "ingests"
	switch f.random.IntN(11) {
	case 0, 1:
		_, err = f.theirs.Ingest(f.rows(1 + f.random.IntN(40)))
	case 2:
		what = "deletes"
		_, err = f.theirs.Delete(f.id())
	case 3:
		what = "queries"
		_, err = f.theirs.Query(make([]float32, 4), 3)
	case 4:
		what = "searches, for which it makes an index"
		if f.next < 1100 {
			_, err = f.theirs.Ingest(f.rows(1100))
		}
		if f.next < 5000 && err == nil {
			_, err = f.theirs.Search(make([]float32, 4), 3)
		}
	case 5, 6:
		what = "compacts"
		if _, err = f.theirs.Compact(); err == nil {
			f.losesStates(name)
		}
	case 7:
		what = "embeds a kernel"
		err = f.theirs.EmbedKernel(peer.Kernel{Image: []byte("image"), Cmdline: "x"})
	case 8:
		what = "embeds a program"
		err = f.theirs.EmbedEBPF(peer.EBPF{Program: []byte("program"), BTF: []byte("btf")})
	case 9, 10:
		child := f.name()
		what = "derives " + child
		derive, parent := f.theirs.Derive, ""
		if f.random.IntN(2) == 0 {
			what, derive, parent = "branches "+child, f.theirs.Branch, name
		}
		var made *peer.Store
		if made, err = derive(f.path(child)); err == nil {
			f.members[child] = &member{parent: parent}
			err = made.Close()
		}
	}
	f.step("the peer %s in %s (%v)", what, name, err)
	if err == nil && what == "ingests" { // it never looks at the chain itself before it writes
		if got := must(f.theirs.VerifyWitness())(f); !got.Valid {
			f.fail("the peer does not call the chain valid: %+v", got)
		}
	}
}

// losesStates notes that a store holds no past states any more, and nothing for branches.
func (f *family) losesStates(name string) {
	for child, of := range f.members {
		if of.parent == name && !of.lacks {
			of.lacks = true
			f.losesStates(child)
		}
	}
}

// theyDie kills the peer, in the midst of what it writes, or has the file end there as a
// power cut leaves it.
func (f *family) theyDie(name string) {
	if !f.opened(name) {
		return
	}
	before := f.size(name)
	if f.random.IntN(3) > 0 {
		killer := time.AfterFunc(time.Duration(f.random.IntN(5000))*time.Microsecond, f.process.Kill)
		ids, vectors := f.rows(1 + f.random.IntN(400))
		_, err := f.theirs.Ingest(ids, vectors)
		killer.Stop()
		f.step("the peer dies while it ingests into %s (%v)", name, err)
		f.members[name].torn = true
	}
	f.process.Kill()
	f.process, f.theirs = nil, nil
	f.unlock(name)
	f.step("the peer is dead")
	if lost := f.size(name) - before; lost > 0 && f.random.IntN(3) > 0 {
		if f.random.IntN(2) == 0 {
			lost = min(lost, 700) // within audit entry and manifest
		}
		demand(f, "cut", os.Truncate(f.path(name), f.size(name)-f.random.Int64N(lost)))
		f.members[name].torn, f.members[name].cut = true, true
		f.losesStates(name)
		f.step("%s ends at %d, of %d to %d", name, f.size(name), before, before+lost)
	}
}

// unlock removes the lock of one who is gone, which others would wait for.
func (f *family) unlock(name string) {
	if err := os.Remove(f.path(name) + ".lock"); err != nil && !errors.Is(err, os.ErrNotExist) {
		f.fail("%v", err)
	}
}

func (f *family) size(name string) int64 { return must(os.Stat(f.path(name)))(f).Size() }

// weWrite changes a store by the engine, some times without closing it.
func (f *family) weWrite(name string) {
	f.close()
	s, err := store.Open(f.Context(), name, store.Options{Shelf: storetest.Shelf(f, f.path(name)), TurnWait: patience})
	if err != nil {
		f.fail("%s: %v", name, err)
	}
	ctx := f.Context()
	for range 1 + f.random.IntN(3) {
		var err error
		what := "ingest"
		switch f.random.IntN(7) {
		case 0, 1:
			ids, vectors := f.rows(1 + f.random.IntN(20))
			_, err = s.Ingest(ctx, ids, vectors)
		case 2:
			what = "delete"
			if f.members[name].parent == "" {
				_, err = s.Delete(ctx, f.id())
			}
		case 3:
			what = "compact"
			if _, err = s.Compact(ctx); err == nil {
				f.losesStates(name) // nobody has told it where its branches are
			}
		case 4:
			what = "embed a kernel"
			_, err = s.EmbedKernel(ctx, strings.NewReader("ours"), 4, compute.KernelConfig{Header: segments.KernelHeader{Type: segments.KernelMicroLinux}})
		case 5:
			what = "embed a program"
			_, err = s.EmbedEBPF(ctx, strings.NewReader("program"), 7, nil, compute.EBPFConfig{})
		case 6:
			what = "recover"
			drop := f.random.IntN(2) == 0
			if _, err = s.Recover(ctx, recovery.Options{Drop: drop}); err == nil && drop {
				f.members[name].torn = false
			}
		}
		if err == nil && what != "recover" && what != "delete" {
			f.members[name].cut = false // it was committed
		}
		f.step("we %s in %s (%v)", what, name, err)
		if refused := errors.Is(err, volume.ErrReadOnly) && f.members[name].frozen; err != nil && !refused {
			f.fail("%v", err)
		}
	}
	if err := s.Close(); err != nil {
		f.fail("close %s: %v", name, err)
	}
}

// weCommand runs a command on a store, which is killed at times.
func (f *family) weCommand(name string) {
	f.close()
	child, image := f.name(), writeFile(f, filepath.Join(f.TempDir(), "image"), []byte("an image"))
	vectors := writeFile(f, filepath.Join(f.TempDir(), "v.jsonl"), fmt.Appendf(nil, "{\"id\":%d,\"vector\":[1,2,3,4]}\n", f.next))
	f.next++
	of := f.members[name]
	does := [][]string{
		{"import", f.path(name), vectors}, {"delete", f.path(name), fmt.Sprint(f.id()[0])}, {"compact", f.path(name)}, {"recover", "--drop", f.path(name)},
		{"embed-kernel", "--arch", "x86_64", "--type", "custom", f.path(name), image}, {"embed-ebpf", "--type", "kprobe", f.path(name), image},
		{"remove", f.path(name), "kernel"}, {"remove", f.path(name), "ebpf"},
		{"derive", f.path(name), f.path(child)}, {"derive", "--copy", f.path(name), f.path(child)}, {"branch", f.path(name), f.path(child)},
	}
	if of.parent != "" {
		does = append(does, []string{"flatten", f.path(name)})
	}
	if f.made > 3 && f.random.IntN(4) == 0 {
		does = append(does, []string{"freeze", f.path(name)})
	}
	arguments := does[f.random.IntN(len(does))]
	command := exec.Command(program, arguments...)
	command.Env = environment()
	demand(f, "start the command", command.Start())
	killed := f.random.IntN(3) == 0
	if killed {
		killer := time.AfterFunc(time.Duration(f.random.IntN(30_000))*time.Microsecond, func() { _ = command.Process.Kill() })
		defer killer.Stop()
	}
	err := command.Wait()
	f.step("rvffs %s (%v)", strings.Join(arguments, " "), err)
	if killed && err != nil {
		f.unlock(name)
	}
	if arguments[0] == "freeze" && (err == nil || killed) {
		of.frozen = true
	}
	if arguments[0] == "recover" && err == nil {
		of.torn = false
	}
	if arguments[0] == "flatten" && err == nil {
		of.parent, of.lacks = "", false
	}
	if _, err := os.Stat(f.path(child)); err == nil {
		f.members[child] = &member{}
		if arguments[0] == "branch" {
			f.members[child].parent = name
		}
	}
}

// copies saves a store, or brings an older copy of it back.
func (f *family) copies(name string) {
	f.close()
	of := f.members[name]
	if len(of.saved) == 0 || f.random.IntN(3) > 0 {
		if !of.torn {
			of.saved = append(of.saved, readFile(f, f.path(name)))
			f.step("%s is copied", name)
		}
		return
	}
	content := of.saved[f.random.IntN(len(of.saved))]
	if f.random.IntN(2) == 0 {
		demand(f, "make room", os.Remove(f.path(name)))
	}
	writeFile(f, f.path(name), content)
	f.losesStates(name)
	of.cut, of.lacks = false, of.parent != ""
	f.step("%s is as it was in an older copy", name)
}

// sound checks that the audit chains of all are one each, and that nothing is wrong with them.
func (f *family) sound() {
	f.Helper()
	for name, of := range f.members {
		if err := f.soundChain(name); err != nil {
			f.fail("%s: %v\n%s", name, err, auditText(f.path(name)))
		}
		s, err := store.OpenReadOnly(context.Background(), name, store.Options{Shelf: storetest.Shelf(f, f.path(name))})
		if err != nil {
			f.fail("%s: %v", name, err)
		}
		found, err := s.Verify(context.Background())
		for _, finding := range found.Findings {
			switch {
			case strings.Contains(finding.Text, "what it inherits"): // nobody has told where its parent is
			case of.torn && strings.Contains(finding.Text, "rvffs recover"): // of a peer that died
			case finding.Severity == store.Damage, strings.Contains(finding.Text, "audit chain forks"):
				err = errors.Join(err, fmt.Errorf("%s: %s", finding.Severity, finding.Text))
			}
		}
		if err := errors.Join(err, s.Close()); err != nil {
			f.fail("%s: %v\n%s", name, err, auditText(f.path(name)))
		}
	}
}

// soundChain looks at the chain of a file itself: each entry follows one in front of it, or
// is the first, or one with which the peer began anew, which leaves the time of segments zero.
func (f *family) soundChain(name string) error {
	file, err := rawfile.Read(f.path(name))
	if err != nil {
		return nil // the end of it is torn
	}
	before := map[[32]byte]bool{}
	for _, segment := range file.Segments {
		if segment.Type != rawfile.TypeWitness || len(segment.Payload) < 32 {
			continue
		}
		previous := [32]byte(segment.Payload[len(segment.Payload)-32:])
		ours := [8]byte(file.Bytes[segment.Offset+0x18:]) != [8]byte{}
		if first := previous == [32]byte{}; first && ours && len(before) > 0 {
			return fmt.Errorf("a second chain begins at %d", segment.Offset)
		}
		before[rawfile.Fold(segment.Payload)] = true
	}
	return nil
}

// judged has the command judge all stores at once.
func (f *family) judged() {
	f.Helper()
	f.close()
	arguments := []string{"verify"}
	lacking := false
	for name, of := range f.members {
		if of.torn {
			if got := try(f, program, "recover", "--drop", f.path(name)); got.code != 0 && !of.frozen {
				f.fail("recover %s: %+v", name, got)
			}
		}
		lacking = lacking || of.lacks || of.torn && of.frozen // which nobody recovers
		arguments = append(arguments, f.path(name))
	}
	got := try(f, program, arguments...)
	for line := range strings.Lines(got.stdout) {
		if strings.Contains(line, "audit chain is broken") || strings.Contains(line, "lineage mismatch") ||
			strings.Contains(line, ": damage: ") && !(lacking && (strings.Contains(line, "what it inherits") || strings.Contains(line, "rvffs recover"))) {
			f.fail("%s", got.stdout)
		}
	}
}

// TestInnocentHistories: whatever the two programs do to a family of stores, and whoever is
// killed meanwhile, nothing is said to be broken.
//
// RVFFS_INNOCENT and RVFFS_INNOCENT_FIRST say how many histories there are, and from which on.
func TestInnocentHistories(t *testing.T) {
	t.Parallel()
	peer.Start(t) // or there is nothing to be tested
	count, first := fromEnvironment(t, "RVFFS_INNOCENT", 4), fromEnvironment(t, "RVFFS_INNOCENT_FIRST", 0)
	if testing.Short() {
		count = min(count, 2)
	}
	for seed := first; seed < first+count; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			f := &family{T: t, random: rand.New(rand.NewPCG(seed, 12)), dir: t.TempDir(), members: map[string]*member{}, steps: []string{fmt.Sprint("history ", seed)}}
			f.create()
			for range 20 + f.random.IntN(41) {
				name := f.some()
				switch f.random.IntN(14) {
				case 0:
					if len(f.members) < 6 {
						f.create()
					}
				case 1:
					f.theyDie(name)
				case 2:
					f.close()
				case 3:
					f.copies(name)
				case 4, 5, 6:
					f.weWrite(name)
				case 7, 8:
					f.weCommand(name)
				default:
					f.theyWrite(name)
				}
				f.sound()
			}
			f.judged()
			if f.process != nil {
				f.process.Stop()
			}
		})
	}
}
