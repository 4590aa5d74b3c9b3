package main

import "testing"

// TestRoomForWhatWaits: a small disk is not filled, and one that is full for the most part can
// still be used where much is left.
func TestRoomForWhatWaits(t *testing.T) {
	t.Parallel()
	const gibibyte = 1 << 30
	for name, test := range map[string]struct{ free, size, want int64 }{
		"large, and a twentieth is free": {50 * gibibyte, 1000 * gibibyte, 49 * gibibyte},
		"small":                          {4 * gibibyte, 5 * gibibyte, 4*gibibyte - gibibyte/2},
		"large, and full":                {gibibyte / 2, 1000 * gibibyte, 0},
		"small, and full":                {gibibyte / 10, 5 * gibibyte, 0},
		"nothing":                        {0, 0, 0},
	} {
		if got := spoolRoom(test.free, test.size); got != test.want {
			t.Errorf("%s: %d bytes may be written, want %d", name, got, test.want)
		}
	}
}
