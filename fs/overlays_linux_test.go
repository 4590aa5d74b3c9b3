package fs

import (
	"strings"
	"testing"
)

// TestOverlaid finds overlays of which a layer lies in the mount, however the kernel writes
// them.
func TestOverlaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		line string
		want bool
	}{
		"the mount":        {`99 1 0:50 / /o rw - overlay overlay rw,lowerdir=/mnt/a b,upperdir=/u,workdir=/w`, false},
		"with a space":     {`99 1 0:50 / /o rw,relatime shared:1 - overlay overlay rw,lowerdir=/mnt/a\040b,upperdir=/u,workdir=/w`, true},
		"a folder in it":   {`99 1 0:50 / /o rw - overlay x ro,lowerdir=/other:/mnt/a\040b/s.rvf`, true},
		"layers by name":   {`99 1 0:50 / /o rw - overlay x ro,lowerdir+=/other,lowerdir+=/mnt/a\040b`, true},
		"a longer name":    {`99 1 0:50 / /o rw - overlay x ro,lowerdir=/mnt/a\040bc`, false},
		"the upper layer":  {`99 1 0:50 / /o rw - overlay x rw,lowerdir=/other,upperdir=/mnt/a\040b,workdir=/w`, false},
		"another type":     {`99 1 0:50 / /o rw - fuse.rvffs x rw,lowerdir=/mnt/a\040b`, false},
		"nothing":          {``, false},
		"from elsewhere":   {`99 1 0:50 / /o rw - overlay x rw,lowerdir=a\040b/s.rvf`, true},
		"from beside":      {`99 1 0:50 / /o rw - overlay x rw,lowerdir=../../a\040b`, true},
		"and from within":  {`99 1 0:50 / /o rw - overlay x rw,lowerdir=x/b:../mnt/a`, false},
		"layers that move": {`99 1 0:50 / /o rw - overlay x rw,lowerdir=l/ABC:l/DEF`, false},
	} {
		mounts, err := readMounts(strings.NewReader("1 0 8:1 / / rw - ext4 /dev/sda rw\n" + c.line + "\n"))
		if got := overlaid(mounts, "/mnt/a b"); got != c.want || err != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}
