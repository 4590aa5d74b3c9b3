package integration

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rvffs/test/integration/rawfile"
)

// endless makes a store of billions of vectors of one component, all of them in a hole,
// whose ids take minutes to look through.
func endless(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	const rows, rowSize, prefix = 1<<32 - 1, 12, 6
	payload := int64(prefix + rows*rowSize)
	header := rawfile.EncodeSegment(1, 1, nil)
	binary.LittleEndian.PutUint64(header[16:], uint64(payload))
	header = binary.LittleEndian.AppendUint16(header, 1)
	header = binary.LittleEndian.AppendUint32(header, rows)
	manifest := rawfile.NewBuilder("endless", 1)
	manifest.Entries = append(manifest.Entries, rawfile.Entry{ID: 1, Length: uint64(payload), Type: 1})
	encoded := manifest.EncodeManifest()
	binary.LittleEndian.PutUint64(encoded[6:], rows) // vectors in all
	file := must(os.Create(filepath.Join(dir, "endless.rvf")))(t)
	defer file.Close()
	_, err := file.Write(header)
	if err == nil {
		_, err = file.WriteAt(rawfile.EncodeSegment(5, 2, encoded), rawfile.HeaderSize+payload)
	}
	demand(t, "files with holes", err)
	return dir
}

// waiting starts a program that writes to a file and closes it, of which one takes long,
// and does so when this returns.
func waiting(t *testing.T, file, content string) (program *exec.Cmd, ended chan error) {
	t.Helper()
	demandProgram(t, "python3")
	program = exec.Command("python3", "-c", `import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY)
print("open", flush=True)
os.write(fd, bytes.fromhex(sys.argv[2]))
os.close(fd)`, file, fmt.Sprintf("%x", content))
	out := must(program.StdoutPipe())(t)
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("open\n"))); err != nil {
		t.Fatal(err)
	}
	ended = make(chan error, 1)
	go func() { ended <- program.Wait() }()
	seen := 0
	eventually(t, "it waits for the mount", func() error {
		at, err := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", program.Process.Pid))
		if err != nil {
			return err
		}
		if seen++; !strings.Contains(string(at), "request_wait_answer") {
			seen = 0
		}
		if seen < 5 { // a short one is soon over
			return fmt.Errorf("it is in %q", at)
		}
		return nil
	})
	return program, ended
}

// TestKilledWritersDie kills programs for whose write, or close, all ids of an endless
// store are looked through.
func TestKilledWritersDie(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]struct{ file, content string }{
		"a close of ids":     {"vectors.delete", "1\n"},
		"a close of a table": {"vectors.append.csv", "1"},
		"a write of a row":   {"vectors.append", "\x00\x00\x80\x3f"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := serve(t, endless(t))
			program, ended := waiting(t, m.path("endless.rvf", way.file), way.content)
			if err := program.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
			case <-time.After(patience / 3):
				t.Error("it was killed and did not die")
			}
		})
	}
}

// TestSignalEndsSearches: a signal ends the daemon though somebody's close would take
// minutes, and that one with it.
func TestSignalEndsSearches(t *testing.T) {
	t.Parallel()
	m := serve(t, endless(t))
	_, ended := waiting(t, m.path("endless.rvf", "vectors.delete"), "1\n")
	if err := m.daemon.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := m.wait(); err != nil {
		t.Errorf("the daemon ended with %v\n%s", err, m.output.String())
	}
	if err := <-ended; err == nil {
		t.Error("the close did not fail")
	}
}

// TestSecondSignal ends the daemon under those who use the mount.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	m := serve(t, endless(t))
	program, ended := waiting(t, m.path("endless.rvf", "vectors.delete"), "1\n")
	defer func() {
		_ = program.Process.Kill()
		<-ended
	}()
	for range 2 {
		if err := m.daemon.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the folder is unmounted", func() error {
			if mounted(m.Point) {
				return errors.New("it is still there")
			}
			return nil
		})
	}
	if err := m.wait(); err == nil || !strings.Contains(m.output.String(), "rvffs: ended by terminated") {
		t.Errorf("the daemon ended with %v\n%s", err, m.output.String())
	}
}
