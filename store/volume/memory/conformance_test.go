package memory

import (
	"testing"

	"rvffs/store/volume"
	"rvffs/store/volume/conformance"
	"rvffs/store/volume/filelog"
)

// eachKind tests with files that can be renamed in all ways, and with such as cannot.
func eachKind(t *testing.T, test func(t *testing.T, fresh func(t *testing.T) *Files)) {
	t.Parallel()
	for name, plain := range map[string]bool{"all ways to rename": false, "plain": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, func(t *testing.T) *Files {
				files := New()
				files.Plain = plain
				t.Cleanup(func() {
					if left := files.Used(); left != 0 {
						t.Errorf("%d files and folders are still open", left)
					}
				})
				return files
			})
		})
	}
}

func TestConformance(t *testing.T) {
	eachKind(t, func(t *testing.T, fresh func(*testing.T) *Files) {
		conformance.Test(t, func(t *testing.T) filelog.FileSystem { return fresh(t) })
	})
}

func TestVolumeConformance(t *testing.T) {
	eachKind(t, func(t *testing.T, fresh func(*testing.T) *Files) {
		conformance.TestVolume(t, func(t *testing.T) conformance.Place {
			files := fresh(t)
			return conformance.Place{Volume: files.Volume(), Link: files.PutLink, Callers: true}
		})
	})
}

func TestLogConformance(t *testing.T) {
	eachKind(t, func(t *testing.T, fresh func(*testing.T) *Files) {
		conformance.TestLog(t, func(t *testing.T) conformance.Ground {
			files := fresh(t)
			return conformance.Ground{
				Open:  func(*testing.T) volume.Volume { return files.Volume() },
				Tears: true, Forgets: true,
			}
		})
	})
}
