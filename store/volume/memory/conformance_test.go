package memory

import (
	"testing"

	"rvffs/store/volume"
	"rvffs/store/volume/conformance"
	"rvffs/store/volume/filelog"
)

func TestConformance(t *testing.T) {
	conformance.Test(t, func(*testing.T) filelog.FileSystem { return New() })
}

func TestVolumeConformance(t *testing.T) {
	conformance.TestVolume(t, func(t *testing.T) conformance.Place {
		files := New()
		t.Cleanup(func() {
			if left := files.Used(); left != 0 {
				t.Errorf("%d files and folders are still open", left)
			}
		})
		return conformance.Place{Volume: files.Volume(), Link: files.PutLink, Callers: true}
	})
}

func TestLogConformance(t *testing.T) {
	conformance.TestLog(t, func(t *testing.T) conformance.Ground {
		files := New()
		t.Cleanup(func() {
			if left := files.Used(); left != 0 {
				t.Errorf("%d files and folders are still open", left)
			}
		})
		return conformance.Ground{
			Open:  func(*testing.T) volume.Volume { return files.Volume() },
			Tears: true, Forgets: true,
		}
	})
}
