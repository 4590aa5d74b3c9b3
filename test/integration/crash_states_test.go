package integration

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"rvffs/store"
	"rvffs/store/storetest"
	"rvffs/test/integration/peer"
)

// TestPeerOpensCrashStates has the engine's tests enumerate what crashes leave and
// keep samples: the reference runtime must open each one, and count what we count.
func TestPeerOpensCrashStates(t *testing.T) {
	t.Parallel()
	process := peer.Start(t)
	folder := t.TempDir()
	command := exec.Command("go", "test", "-short", "-count=1", "-run", "TestEveryCrashKeepsWhatWasAcknowledged", "rvffs/store")
	command.Env = append(os.Environ(), "RVFFS_CRASH_SAMPLES="+folder)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	samples := must(filepath.Glob(filepath.Join(folder, "*.rvf")))(t)
	if len(samples) < 50 {
		t.Fatalf("only %d samples", len(samples))
	}
	for _, name := range samples {
		ours := must(store.OpenReadOnly(context.Background(), filepath.Base(name), store.Options{Shelf: storetest.Shelf(t, name)}))(t)
		status := must(ours.Status(t.Context()))(t)
		if err := ours.Close(); err != nil {
			t.Fatal(err)
		}
		theirs, err := process.OpenReadonly(name)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(name), err)
			continue
		}
		if seen := must(theirs.Status())(t); uint64(seen.TotalVectors) != status.LiveVectors || uint32(seen.CurrentEpoch) != status.Epoch {
			t.Errorf("%s: the reference runtime sees %+v, we %+v", filepath.Base(name), seen, status)
		}
		if err := theirs.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d crash states opened by the reference runtime", len(samples))
}
