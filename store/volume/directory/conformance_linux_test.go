package directory

import (
	"os"
	"path/filepath"
	"testing"

	"rvffs/store/volume"
	"rvffs/store/volume/conformance"
	"rvffs/store/volume/filelog"
)

func TestConformance(t *testing.T) {
	eachWalk(t, func(t *testing.T, open func(string) *Files) {
		conformance.Test(t, func(t *testing.T) filelog.FileSystem { return open(t.TempDir()) })
	})
}

func TestVolumeConformance(t *testing.T) {
	eachWalk(t, func(t *testing.T, open func(string) *Files) {
		conformance.TestVolume(t, func(t *testing.T) conformance.Place {
			dir := t.TempDir()
			return conformance.Place{
				Volume:  root{newFolder(open(dir))},
				Link:    func(target, name string) error { return os.Symlink(target, filepath.Join(dir, name)) },
				Callers: os.Geteuid() == 0,
			}
		})
	})
}

func TestLogConformance(t *testing.T) {
	eachWalk(t, func(t *testing.T, open func(string) *Files) {
		conformance.TestLog(t, func(t *testing.T) conformance.Ground {
			dir := t.TempDir()
			return conformance.Ground{
				Open:  func(*testing.T) volume.Volume { return root{newFolder(open(dir))} },
				Tears: true, Forgets: true,
			}
		})
	})
}
