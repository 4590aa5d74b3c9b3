package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rvffs/test/integration/rawfile"
)

// nameSeconds is how long two processes write to one file by two names unless
// RVFFS_NAME_SECONDS says otherwise.
const nameSeconds = 3

// TestTwoNamesForOneFile has a process for each of two names of one file append to
// it, while the names come, go and change: whatever was acknowledged is there in the
// end.
func TestTwoNamesForOneFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	names := []string{filepath.Join(dir, "a.rvf"), filepath.Join(dir, "b.rvf")}
	rawfile.NewBuilder("a.rvf", 2).Write(t, names[0])
	deadline := time.Now().Add(time.Duration(fromEnvironment(t, "RVFFS_NAME_SECONDS", nameSeconds)) * time.Second)

	var mu sync.Mutex
	want, refused := model{}, map[string]int{}
	accepted := make([]int, len(names))
	latest := deadline.Add(time.Minute) // on a slow machine it takes longer until something is accepted
	goesOn := func() bool {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		return now.Before(deadline) || slices.Contains(accepted, 0) && now.Before(latest)
	}
	var writers sync.WaitGroup
	for n, name := range names {
		writers.Go(func() {
			for id := uint64(n) << 32; goesOn(); id++ {
				batch := model{id: {float32(n), float32(id & 0xffff)}}
				reason := importInto(name, batch.jsonLines(t))
				mu.Lock()
				if reason == "" {
					want.put(batch)
					accepted[n]++
				} else {
					refused[reason]++
				}
				mu.Unlock()
			}
		})
	}
	// The names change all the time, and in the end only the first is left.
	changes := []func() error{
		func() error { return os.Link(names[0], names[1]) },
		func() error { return os.Remove(names[0]) },
		func() error { return os.Rename(names[1], names[0]) },
		func() error { return os.Rename(names[0], names[1]) },
		func() error { return os.Link(names[1], names[0]) },
		func() error { return os.Remove(names[1]) },
	}
	for turn := 0; goesOn() || turn%len(changes) != 0; turn++ {
		if err := changes[turn%len(changes)](); err != nil {
			t.Fatalf("change %d: %v", turn%len(changes), err)
		}
		time.Sleep(time.Duration(turn%7) * 10 * time.Millisecond)
	}
	writers.Wait()
	t.Logf("%d and %d vectors acknowledged, refused: %v", accepted[0], accepted[1], refused)
	for n, count := range accepted {
		if count == 0 {
			t.Errorf("nothing was accepted by %s: the test shows nothing", filepath.Base(names[n]))
		}
	}
	if err := holdsAtLeast(names[0], want); err != nil {
		t.Error(err)
	}
	for reason := range refused {
		if strings.HasPrefix(reason, "other") {
			t.Errorf("a refusal gives no reason that is known: %s", reason)
		}
	}
	run(t, program, "verify", names[0])
}

// holdsAtLeast compares a store with what was acknowledged. What was refused at the
// very last step may be there too.
func holdsAtLeast(path string, want model) error {
	file, err := rawfile.Read(path)
	if err != nil {
		return err
	}
	got := file.Vectors()
	for id := range got {
		if _, acknowledged := want[id]; !acknowledged {
			delete(got, id)
		}
	}
	return want.differs(got)
}

// importInto appends lines with a process of its own and says why it was refused.
func importInto(name string, lines []byte) (reason string) {
	command := exec.Command(program, "import", name, "-")
	command.Stdin, command.Env = bytes.NewReader(lines), environment()
	output, err := command.CombinedOutput()
	if err == nil {
		return ""
	}
	for _, known := range []string{"more names than one", "another writer holds", "no such file", "removed", "replaced"} {
		if strings.Contains(string(output), known) {
			return known
		}
	}
	return "other: " + string(output)
}

// TestCopyOfHardLinks mounts a folder and its `cp -al` copy: neither mount writes to
// a file that both have, each says why, and a copy of its own makes a store writable.
func TestCopyOfHardLinks(t *testing.T) {
	t.Parallel()
	first, second := serve(t, t.TempDir()), serve(t, t.TempDir())
	if err := os.Mkdir(first.path("a.rvf"), 0o755); err != nil {
		t.Fatal(err)
	}
	want := model{1: {1, 2}, 2: {3, 4}}
	if err := pour(first.path("a.rvf", "vectors.append"), want.jsonLines(t)); err != nil {
		t.Fatal(err)
	}
	run(t, "cp", "-al", first.backing("a.rvf"), second.backing("a.rvf"))
	before := readFile(t, first.backing("a.rvf"))
	for _, m := range []*mount{first, second} {
		err := pour(m.path("a.rvf", "vectors.append"), model{3: {5, 6}}.jsonLines(t))
		if err != unix.EMLINK && !strings.Contains(fmt.Sprint(err), unix.EMLINK.Error()) {
			t.Errorf("append: %v", err)
		}
		if err := os.WriteFile(m.path("a.rvf", "ctl"), []byte("compact\n"), 0); !strings.Contains(fmt.Sprint(err), unix.EMLINK.Error()) {
			t.Errorf("compact: %v", err)
		}
		if status := string(readFile(t, m.path("a.rvf", "status.json"))); !strings.Contains(status, `"names": 2`) {
			t.Errorf("status.json: %s", status)
		}
		if log := m.log(); !strings.Contains(log, "2 hard links") {
			t.Errorf("log: %s", log)
		}
		if err := fileHolds(m.backing("a.rvf"), want); err != nil {
			t.Error(err)
		}
	}
	if !bytes.Equal(before, readFile(t, first.backing("a.rvf"))) {
		t.Error("the file changed")
	}
	report := run(t, program, "verify", first.backing("a.rvf"))
	if !strings.Contains(report, "2 hard links") {
		t.Errorf("verify: %s", report)
	}
	copied := second.backing("a.rvf.copy")
	run(t, "cp", second.backing("a.rvf"), copied)
	run(t, "mv", copied, second.backing("a.rvf"))
	for n, m := range []*mount{first, second} {
		added := model{uint64(10 + n): {7, 8}}
		if err := pour(m.path("a.rvf", "vectors.append"), added.jsonLines(t)); err != nil {
			t.Errorf("append to a file of its own: %v", err)
		}
		own := model{}
		own.put(want)
		own.put(added)
		if err := fileHolds(m.backing("a.rvf"), own); err != nil {
			t.Error(err)
		}
	}
}
