package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rvffs/fs"
)

const (
	// holdersNamed bounds how many of those who hold a mount are named.
	holdersNamed = 5
	// holdersPatience is how long they are looked for.
	holdersPatience = 3 * time.Second
	// holdersAtOnce is how many processes are asked at a time. Some of them may be stuck.
	holdersAtOnce = 64
)

// newHoldersCommand is what holders runs: it prints who is found, one a line.
func newHoldersCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "holders MOUNTPOINT",
		Short:  "Tell who has files of a mount open",
		Args:   takes("MOUNTPOINT"),
		Hidden: true,
		RunE: func(command *cobra.Command, arguments []string) error {
			return printHolders(command.OutOrStdout(), fs.Mounted{Point: arguments[0]})
		},
	}
}

// printHolders asks the system, and never the mount. Programs that have a file mapped and
// closed are not found: to ask for those can hang where a page of it is waited for.
func printHolders(out io.Writer, mount fs.Mounted) error {
	mounts, err := fs.Mounts()
	if err != nil {
		return err
	}
	for _, other := range mounts {
		if other.Point != mount.Point && mount.Holds(other.Point) {
			if _, err := fmt.Fprintf(out, "what is mounted at %s\n", other.Point); err != nil {
				return err
			}
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	asking := askers()
	processes = slices.DeleteFunc(processes, func(process string) bool { return slices.Contains(asking, filepath.Base(process)) })
	found := make(chan string, len(processes)) // "" for one that holds nothing
	turns := make(chan struct{}, holdersAtOnce)
	for _, process := range processes {
		go func() { // it ends with this process at the latest
			turns <- struct{}{}
			defer func() { <-turns }()
			if !holdsBack(process, mount) {
				found <- ""
				return
			}
			name, _ := os.ReadFile(filepath.Join(process, "comm")) // it may have ended by now
			found <- fmt.Sprintf("%s (process %s)\n", bytes.TrimSpace(name), filepath.Base(process))
		}()
	}
	end := time.After(holdersPatience)
	for range processes {
		select {
		case line := <-found:
			if _, err := io.WriteString(out, line); err != nil {
				return err
			}
		case <-end:
			return nil
		}
	}
	return nil
}

// askers are this process and those above it that want to know: their working directory, which
// may be in the mount, keeps nobody.
func askers() (processes []string) {
	for process := strconv.Itoa(os.Getpid()); ; {
		processes = append(processes, process)
		status, err := os.ReadFile("/proc/" + process + "/status")
		if err != nil {
			return processes
		}
		var parent string
		for line := range strings.Lines(string(status)) {
			if value, is := strings.CutPrefix(line, "PPid:"); is {
				parent = strings.TrimSpace(value)
			}
		}
		name, err := os.ReadFile("/proc/" + parent + "/comm")
		if asks := strings.TrimSpace(string(name)); err != nil || asks != ownName && asks != "umount" && asks != "fusermount3" && asks != "fusermount" && !strings.HasPrefix(asks, "mount") {
			return processes
		}
		process = parent
	}
}

// holders says who keeps a mount from ending, as far as we may look at them; empty says that
// nobody was found. A process of its own looks: the kernel can make whoever asks about a
// process that is stuck wait for it, even against a kill.
func holders(mount fs.Mounted) string {
	program, err := os.Executable()
	if err != nil {
		return ""
	}
	read, write, err := os.Pipe()
	if err != nil {
		return ""
	}
	defer func() { _ = read.Close() }()
	command := exec.Command(program, "holders", "--", mount.Point)
	command.Args[0], command.Dir, command.Stdout = ownName, "/", write
	err = errors.Join(command.Start(), write.Close(), read.SetReadDeadline(time.Now().Add(holdersPatience)))
	if err != nil {
		return ""
	}
	content, _ := io.ReadAll(read) // what came in time
	_ = command.Process.Release()
	found := strings.Split(strings.TrimSpace(string(content)), "\n")
	if more := len(found) - holdersNamed; more > 0 {
		found = append(found[:holdersNamed], fmt.Sprintf("%d more", more))
	}
	return strings.Join(found, ", ")
}

// holdsBack reports whether a process stands in a mount, or has a file of it open.
func holdsBack(process string, mount fs.Mounted) bool {
	links, _ := filepath.Glob(filepath.Join(process, "fd", "*")) // the pattern is a good one
	links = append(links, filepath.Join(process, "cwd"), filepath.Join(process, "root"))
	for _, link := range links {
		if path, err := os.Readlink(link); err == nil && mount.Holds(path) {
			return true
		}
	}
	return false
}

// inUse says that a mount is in use, by whom, and what then can be done besides.
func inUse(mount fs.Mounted, instead string) error {
	by := holders(mount)
	if by == "" {
		by = "somebody whom only root can see"
		if os.Geteuid() == 0 {
			by = "somebody who cannot be seen from here"
		}
	}
	return fmt.Errorf("%s is in use by %s: close its files and leave its folders, or %s", mount.Point, by, instead)
}
