package memory

import (
	"testing"

	"rvffs/store/volume"
	"rvffs/store/volume/conformance"
)

func TestConformance(t *testing.T) {
	conformance.Test(t, func(*testing.T) volume.FileSystem { return New() })
}
