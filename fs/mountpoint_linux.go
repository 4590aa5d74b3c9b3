package fs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// MountedType is the type of the file system that is mounted at path, an absolute
// one without symbolic links; false when path is no mount point. It also answers
// for a mount whose server is dead.
func MountedType(path string) (string, bool, error) {
	table, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", false, err
	}
	defer table.Close()
	return findMount(table, path)
}

// findMount looks path up in a table in the form of /proc/self/mountinfo. Of
// several mounts at one place the last lies on top.
func findMount(table io.Reader, path string) (kind string, found bool, err error) {
	lines := bufio.NewScanner(table)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		left, right, _ := strings.Cut(lines.Text(), " - ")
		place, about := strings.Fields(left), strings.Fields(right)
		const placeField = 4
		if len(place) > placeField && len(about) > 0 && unescape(place[placeField]) == path {
			kind, found = about[0], true
		}
	}
	return kind, found, lines.Err()
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
