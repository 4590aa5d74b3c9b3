package bucket

import (
	"testing"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/memory"
)

// TestPathsOfStores are as users write them.
func TestPathsOfStores(t *testing.T) {
	t.Parallel()
	bucket := memory.New()
	options := Options{Name: "s3://vectors/team", Prefix: "team/"}
	create(t, bucket, options, "a.rvf")
	v := Open(bucket, options)
	for _, opened := range []bool{false, true} {
		log := v.Shelf().Log("a.rvf", volume.LogOptions{})
		if opened {
			_, err := log.Open(t.Context(), volume.Known{})
			must(t, err)
		}
		if got, want := log.Path(), "s3://vectors/team/a.rvf"; got != want {
			t.Errorf("opened %t: %s, want %s", opened, got, want)
		}
		_, err := log.Close()
		must(t, err)
	}
	must(t, v.Close())
}
