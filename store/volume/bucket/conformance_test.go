package bucket

import (
	"testing"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/memory"
	"rvffs/store/volume/conformance"
)

// looking is a volume that asks each time.
func looking(options Options) Options {
	options.Freshness = -1
	options.Name = "memory"
	return options
}

func TestLogConformance(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]Options{
		"all inline": {}, "extents": {Inline: 1, InlineBeside: 1}, "some inline": {Inline: 2000, InlineBeside: 500}, "prefix": {Prefix: "some/prefix/"},
		"tombstones": {KeepTombstones: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conformance.TestLog(t, func(t *testing.T) conformance.Ground {
				objects := memory.New()
				objects.LaxDelete = options.KeepTombstones
				t.Cleanup(func() {
					if left := objects.Uploads(); left != 0 {
						t.Errorf("%d uploads are left", left)
					}
				})
				return conformance.Ground{
					Open:  func(*testing.T) volume.Volume { return Open(objects, looking(options)) },
					Apart: true,
				}
			})
		})
	}
}
