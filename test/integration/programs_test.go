package integration

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait of the suite. Nothing that works comes near it.
const patience = 90 * time.Second

// longPatience bounds those for programs that go through thousands of stores, or through
// hundreds of megabytes of texts: under the race detector, on a machine that is busy with
// other tests, they take minutes.
const longPatience = 30 * time.Minute

// outcome is how a program ended.
type outcome struct {
	stdout, stderr string
	// code is the exit status, −1 when a signal ended the program.
	code int
}

// try runs a program to its end and returns how that was. One that does not end
// fails the test.
func try(t testing.TB, name string, arguments ...string) outcome {
	t.Helper()
	return tryFor(t, patience, name, arguments...)
}

// tryFor is try for a program that may run so long.
func tryFor(t testing.TB, most time.Duration, name string, arguments ...string) outcome {
	t.Helper()
	limit, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	command := exec.CommandContext(limit, name, arguments...)
	command.Env = environment()
	command.WaitDelay = patience
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if limit.Err() != nil {
		t.Fatalf("%s %q did not end\n%s", name, arguments, stderr.String())
	}
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		t.Fatalf("%s %q: %v", name, arguments, err)
	}
	return outcome{stdout.String(), stderr.String(), command.ProcessState.ExitCode()}
}

// run runs a program that must succeed and returns its output.
func run(t testing.TB, name string, arguments ...string) string {
	t.Helper()
	got := try(t, name, arguments...)
	if got.code != 0 {
		t.Fatalf("%s %q: exit status %d\n%s", name, arguments, got.code, got.stderr)
	}
	return got.stdout
}

// shell runs a bash script that must succeed; the arguments are its $1, $2 ….
func shell(t testing.TB, script string, arguments ...string) string {
	t.Helper()
	return run(t, "bash", append([]string{"-euo", "pipefail", "-c", script, "bash"}, arguments...)...)
}

// tryShell runs a bash script and returns how it ended.
func tryShell(t testing.TB, script string, arguments ...string) outcome {
	t.Helper()
	return try(t, "bash", append([]string{"-euo", "pipefail", "-c", script, "bash"}, arguments...)...)
}

// wantRefusal checks that a program failed, with this error's text on its standard
// error.
func wantRefusal(t testing.TB, got outcome, want syscall.Errno) {
	t.Helper()
	if got.code == 0 || !strings.Contains(strings.ToLower(got.stderr), want.Error()) {
		t.Errorf("exit status %d, standard error %q; want a failure with %q", got.code, got.stderr, want)
	}
}

// wantErrno checks a system call's error.
func wantErrno(t testing.TB, what string, err error, want syscall.Errno) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// eventually waits until a check passes, for what other processes do in their
// own time.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(pause)
	}
}

// readFile reads a file that must be readable.
func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// writeFile puts bytes into a new file of the test's own and returns its path.
func writeFile(t testing.TB, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// pour opens a stream, writes the pieces, each with one write, and closes it.
// It returns the first error of any of these calls.
func pour(path string, pieces ...[]byte) error {
	stream, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	for _, piece := range pieces {
		if _, err := stream.Write(piece); err != nil {
			stream.Close()
			return err
		}
	}
	return stream.Close()
}

// must turns a result with an error into the result alone.
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
