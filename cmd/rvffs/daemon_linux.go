package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// readyVariable names, for the process in the background, the descriptor on which
// its parent waits.
const readyVariable = "RVFFS_READY_DESCRIPTOR"

// readyDescriptor is the first that exec.Cmd gives to extra files.
const readyDescriptor = 3

// readyMark is what the background says when the mount serves; anything else is
// why it does not.
const readyMark = "ready"

// serveInBackground starts this program again, in a session of its own, and
// returns when the mount serves there, or with the reason why it does not.
func serveInBackground(options mountOptions, directory, mountPoint string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	// A pipe that the shell had open for us must not stay open with the server. Old
	// kernels cannot do this, which is no reason not to mount.
	_ = unix.CloseRange(readyDescriptor, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	arguments := append([]string{"mount", "--foreground"}, options.arguments()...)
	command := exec.Command(program, append(arguments, "--", directory, mountPoint)...)
	command.Args[0] = ownName // and not by the name of a helper, if that is the program's
	command.Dir = "/"
	command.Env = append(os.Environ(), fmt.Sprintf("%s=%d", readyVariable, readyDescriptor))
	command.Stderr = os.Stderr // for what fusermount3 has to say
	command.ExtraFiles = []*os.File{write}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return errors.Join(err, write.Close())
	}
	write.Close()
	message, err := io.ReadAll(read)
	if err != nil {
		return err
	}
	if string(message) == readyMark {
		return command.Process.Release()
	}
	// It told why, or died without a word.
	err = command.Wait()
	if why := strings.TrimSpace(string(message)); why != "" {
		return errors.New(why)
	}
	return fmt.Errorf("the server in the background ended: %w", err)
}

// readiness is the server's end of the pipe to the process that started it; nil
// in the foreground.
type readiness struct{ pipe *os.File }

// readyPipe is the pipe to the parent process, if it waits for this one.
func readyPipe() *readiness {
	if os.Getenv(readyVariable) == "" {
		return nil
	}
	os.Unsetenv(readyVariable)
	syscall.CloseOnExec(readyDescriptor)
	return &readiness{pipe: os.NewFile(readyDescriptor, "ready")}
}

// serving tells the parent that the mount serves, and lets go of the terminal. The log,
// and the trace of a crash, have places of their own.
func (r *readiness) serving() error {
	if r == nil {
		return nil
	}
	output, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err == nil {
		err = errors.Join(unix.Dup3(int(output.Fd()), int(os.Stderr.Fd()), 0), output.Close())
	}
	_, writeErr := io.WriteString(r.pipe, readyMark)
	err = errors.Join(err, writeErr, r.pipe.Close())
	r.pipe = nil
	return err
}

// errTold means that the parent process knows why, and will say it.
var errTold = errors.New("told to the parent process")

// fail tells the parent why the mount does not serve, and returns errTold. In the
// foreground there is nobody to tell, and after the mount served the log has it.
func (r *readiness) fail(err error) error {
	if r == nil || err == nil {
		return err
	}
	if r.pipe == nil {
		return errTold
	}
	if _, writeErr := io.WriteString(r.pipe, inWords(err)); writeErr != nil {
		return err
	}
	return errTold
}
