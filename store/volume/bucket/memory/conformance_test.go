package memory_test

import (
	"testing"

	"rvffs/store/volume/bucket/conformance"
	"rvffs/store/volume/bucket/memory"
)

// TestBucket: the bucket for tests does what servers must do.
func TestBucket(t *testing.T) {
	t.Parallel()
	conformance.Bucket(t, "", memory.New())
}
