package directory

import (
	"testing"

	"rvffs/store/volume"
	"rvffs/store/volume/conformance"
)

func TestConformance(t *testing.T) {
	eachWalk(t, func(t *testing.T, open func(string) *Files) {
		conformance.Test(t, func(t *testing.T) volume.FileSystem { return open(t.TempDir()) })
	})
}
