package integration

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestRmdirSaysWhatAStoreHolds: each reason for which a store is not removed stands in the log, with
// its name.
func TestRmdirSaysWhatAStoreHolds(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir())
	for _, name := range []string{"vectors", "image", "child", "branch", "lost"} {
		run(t, program, "create", m.backing(name+".rvf"), "--dimension", "2")
	}
	withVectors(t, m.backing("vectors.rvf"), model{1: {1, 2}})
	run(t, program, "branch", m.backing("vectors.rvf"), m.backing("shown.rvf"))
	demand(t, "write", os.WriteFile(m.backing("an image"), []byte("some image"), 0o644))
	run(t, program, "embed-kernel", "--arch", "x86_64", "--type", "custom", m.backing("image.rvf"), m.backing("an image"))
	run(t, program, "derive", m.backing("child.rvf"), m.backing("derived.rvf"))
	run(t, program, "branch", m.backing("branch.rvf"), m.backing("near.rvf"))
	run(t, program, "branch", m.backing("lost.rvf"), m.backing("gone.rvf"))
	demand(t, "remove", os.Remove(m.backing("gone.rvf")))
	for _, test := range []struct{ store, says string }{
		{"image.rvf", "it holds vectors or embedded segments"},
		{"child.rvf", "stores are derived from it"},
		{"branch.rvf", "it has branches"},
		{"lost.rvf", "it has branches"},
		{"vectors.rvf/shown.rvf", "it is a branch, and shows vectors of its parent's"},
	} {
		awaitFile(t, m.path(test.store, "status.json"))
		if err := os.Remove(m.path(test.store)); !errors.Is(err, syscall.ENOTEMPTY) {
			t.Errorf("rmdir %s: %v", test.store, err)
		}
		lines := strings.Split(strings.TrimSpace(string(readFile(t, m.path(".rvffs", "log")))), "\n")
		if last := lines[len(lines)-1]; !strings.Contains(last, "not empty: "+test.says) {
			t.Errorf("the log says of %s: %s", test.store, last)
		} else if name, _, child := strings.Cut(test.store, "/"); !child && !strings.Contains(last, `"store":"`+name+`"`) {
			t.Errorf("the log does not name %s: %s", test.store, last)
		}
	}
}
