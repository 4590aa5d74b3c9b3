package fs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Mounted is a line of the system's table of mounts.
type Mounted struct {
	Point  string // an absolute path without symbolic links
	Type   string // such as "ext4"
	Source string // what is shown there, by the word of who mounted it
	// ReadOnly says that nothing can be changed there, whoever tries.
	ReadOnly bool
	NoExec   bool // no program there can be run
}

// Ours reports whether stores are shown there.
func (m Mounted) Ours() bool { return m.Type == "fuse."+TypeName }

// Holds reports whether a path, an absolute one without symbolic links, leads there.
func (m Mounted) Holds(path string) bool {
	below, found := strings.CutPrefix(path, strings.TrimSuffix(m.Point, "/"))
	return found && (below == "" || below[0] == '/')
}

// mountTable is where the kernel lists the mounts that this process sees.
const mountTable = "/proc/self/mountinfo"

// Mounts are what is mounted, also by servers that are dead. Of several mounts that hold a
// path the last with the longest point is the one that shows.
func Mounts() ([]Mounted, error) {
	table, err := os.Open(mountTable)
	if err != nil {
		return nil, err
	}
	defer table.Close()
	return readMounts(table)
}

// MountedAt is what lies on top at path, an absolute one without symbolic links; false
// when it is no mount point.
func MountedAt(path string) (found Mounted, mounted bool, err error) {
	all, err := Mounts()
	for _, m := range all {
		if m.Point == path {
			found, mounted = m, true
		}
	}
	return found, mounted, err
}

// readMounts reads a table in the form of /proc/self/mountinfo.
func readMounts(table io.Reader) (all []Mounted, err error) {
	lines := bufio.NewScanner(table)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		left, right, _ := strings.Cut(lines.Text(), " - ")
		place, about := strings.Fields(left), strings.Fields(right)
		const placeField, flagsField, fields = 4, 5, 3
		if len(place) <= flagsField || len(about) < fields {
			continue
		}
		here, everywhere := strings.Split(place[flagsField], ","), strings.Split(about[2], ",")
		all = append(all, Mounted{
			Point: unescape(place[placeField]), Type: about[0], Source: unescape(about[1]),
			ReadOnly: slices.Contains(here, "ro") || slices.Contains(everywhere, "ro"),
			NoExec:   slices.Contains(here, "noexec"),
		})
	}
	return all, lines.Err()
}

// unescape undoes the kernel's octal writing of spaces and the like.
func unescape(field string) string {
	var plain strings.Builder
	for {
		before, after, found := strings.Cut(field, `\`)
		plain.WriteString(before)
		if !found {
			return plain.String()
		}
		const digits = 3
		code, err := strconv.ParseUint(after[:min(digits, len(after))], 8, 8)
		if err != nil || len(after) < digits {
			plain.WriteByte('\\')
			field = after
			continue
		}
		plain.WriteByte(byte(code))
		field = after[digits:]
	}
}

// Unmount takes away what is mounted at mountPoint. With lazy it goes out of the
// directory tree at once, and for good when its last user is gone. Who may not
// unmount is helped by fusermount3.
func Unmount(mountPoint string, lazy bool) error {
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	err := unix.Unmount(mountPoint, flags)
	if !errors.Is(err, syscall.EPERM) {
		return err
	}
	helper, lookErr := exec.LookPath("fusermount3")
	if lookErr != nil {
		return fmt.Errorf("%w, and there is no fusermount3", err)
	}
	how := "-u"
	if lazy {
		how = "-uz"
	}
	if message, err := exec.Command(helper, how, "--", mountPoint).CombinedOutput(); err != nil {
		message = bytes.TrimSpace(message)
		if bytes.Contains(message, []byte("busy")) {
			return fmt.Errorf("%s: %w", message, syscall.EBUSY)
		}
		return fmt.Errorf("%s: %w", message, err)
	}
	return nil
}
