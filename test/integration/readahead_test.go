package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"rvffs/test/integration/rawfile"
)

// readAheadOf is how far the kernel reads ahead in a mount, in KiB, and the place where
// that is set.
func readAheadOf(t *testing.T, point string) (kib, setting string) {
	t.Helper()
	var stat unix.Stat_t
	demand(t, "look at the mount", unix.Stat(point, &stat))
	setting = fmt.Sprintf("/sys/class/bdi/%d:%d/read_ahead_kb", unix.Major(stat.Dev), unix.Minor(stat.Dev))
	text, err := os.ReadFile(setting)
	demand(t, "read the kernel's setting", err)
	return strings.TrimSpace(string(text)), setting
}

// TestReadAhead is what the flag or the mount option says, and 4 MiB where nobody says
// anything; 0 leaves the kernel's own.
func TestReadAhead(t *testing.T) {
	t.Parallel()
	demandFUSE(t)
	demandUsers(t)
	for _, test := range []struct {
		flags []string
		want  string
	}{
		{nil, "4096"},
		{[]string{"--read-ahead", "1024"}, "1024"},
		{[]string{"--read-ahead=16M"}, "16384"},
		{[]string{"-o", "read_ahead=512"}, "512"},
		{[]string{"-o", "ro,read_ahead=0"}, "128"},
	} {
		m := serve(t, t.TempDir(), test.flags...)
		eventually(t, fmt.Sprintf("%q sets %s KiB", test.flags, test.want), func() error {
			if kib, _ := readAheadOf(t, m.Point); kib != test.want {
				return fmt.Errorf("the kernel reads %s KiB ahead", kib)
			}
			return nil
		})
	}
}

// TestReadAheadCannotBeSet where sysfs is read-only or none, as in containers: the mount
// is there all the same, and its log says so once, to those who look for it.
func TestReadAheadCannotBeSet(t *testing.T) {
	t.Parallel()
	demandFUSE(t)
	demandUsers(t)
	demandProgram(t, "unshare")
	dir := folder(t, map[string][]byte{"store.rvf": rawfile.NewBuilder("ahead", 3).Vec(dimension3).Manifest().Bytes})
	size := must(os.Stat(filepath.Join(dir, "store.rvf")))(t).Size()
	for name, hide := range map[string]string{
		"read-only": "mount -o bind,remount,ro /sys",
		"none":      "mount -t tmpfs none /sys",
	} {
		for level, lines := range map[string]int{"debug": 1, "info": 0} {
			point := t.TempDir()
			unmountAtEnd(t, point)
			script := hide + ` && STATE_DIRECTORY="$4" "$1" mount --log-level ` + level + ` "$2" "$3" && wc -c < "$3/store.rvf/raw" && grep -c 'reads ahead' "$3/.rvffs/log"; "$1" umount "$3"`
			got := run(t, "unshare", "--mount", "sh", "-c", script, "sh", program, dir, point, t.TempDir())
			if want := fmt.Sprintf("%d\n%d\n", size, lines); got != want {
				t.Errorf("%s, %s: the size of raw and lines in the log are %q, want %q", name, level, got, want)
			}
		}
	}
}
