// Package peer drives the published reference runtime (a Node.js package) from
// Go tests, so that both programs can read what the other wrote.
//
// The runtime lives in a child process that answers one request at a time; see
// driver.js for the protocol.
package peer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// answerTimeout bounds one request. The slowest ones of the suite take well
// below a second.
const answerTimeout = 60 * time.Second

// Error is a refusal by the reference runtime, in its own words, for example
// "RVF error 0x0300: LockHeld".
type Error struct {
	Operation string
	Message   string
}

// Error says which operation was refused and how.
func (e *Error) Error() string { return fmt.Sprintf("peer: %s: %s", e.Operation, e.Message) }

// Process is one running reference runtime. Its methods may be called from
// several goroutines; requests are answered in turn.
type Process struct {
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
	errors  bytes.Buffer
	turn    sync.Mutex
	ended   sync.Once // so that one waits, whoever ends it
}

// Start runs the reference runtime until the test ends. Where Node.js or the
// runtime's package is missing the test is skipped, unless CI=true: then it
// fails.
func Start(t testing.TB) *Process {
	t.Helper()
	process, err := start()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("reference runtime: %v", err)
		}
		t.Skipf("reference runtime: %v", err)
	}
	t.Cleanup(process.Stop)
	return process
}

// start finds node and the driver and starts them.
func start() (*Process, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, err
	}
	folder, err := folder()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "@ruvector", "rvf-node")); err != nil {
		return nil, fmt.Errorf("%w (npm ci in %s installs it)", err, folder)
	}
	process := &Process{command: exec.Command(node, filepath.Join(folder, "driver.js"))}
	process.command.Stderr = &process.errors
	if process.input, err = process.command.StdinPipe(); err != nil {
		return nil, err
	}
	output, err := process.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	process.output = bufio.NewReaderSize(output, 1<<20)
	if err := process.command.Start(); err != nil {
		return nil, err
	}
	return process, nil
}

// folder finds this package's folder by walking up to the module's root.
func folder() (string, error) {
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return filepath.Join(at, "test", "integration", "peer"), nil
		}
		above := filepath.Dir(at)
		if above == at {
			return "", errors.New("no go.mod above the working directory")
		}
		at = above
	}
}

// Stop ends the process in good order: stores that are still open lose their
// locks as at any normal exit.
func (p *Process) Stop() {
	p.turn.Lock()
	defer p.turn.Unlock()
	p.input.Close()
	killer := time.AfterFunc(answerTimeout, func() { p.command.Process.Kill() })
	defer killer.Stop()
	p.wait()
}

// Kill ends the process as kill -9 does: its locks stay behind.
func (p *Process) Kill() {
	p.command.Process.Kill()
	p.wait()
}

// wait waits until the process has ended.
func (p *Process) wait() { p.ended.Do(func() { p.command.Wait() }) }

// PID is the process id that stands in the locks of this process.
func (p *Process) PID() int { return p.command.Process.Pid }

// call sends one request and decodes the answer into result, unless that is
// nil. request must marshal to a JSON object without "op".
func (p *Process) call(operation string, request map[string]any, result any) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	request["op"] = operation
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	killer := time.AfterFunc(answerTimeout, func() { p.command.Process.Kill() })
	defer killer.Stop()
	if _, err := p.input.Write(append(line, '\n')); err != nil {
		return p.died(operation, err)
	}
	text, err := p.output.ReadBytes('\n')
	if err != nil {
		return p.died(operation, err)
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  *string         `json:"error"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("peer: %s: %w", operation, err)
	}
	if answer.Error != nil {
		return &Error{Operation: operation, Message: *answer.Error}
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer.Result, result)
}

// died explains a broken pipe with what the process said last. Only a process
// that was waited for has written all of it.
func (p *Process) died(operation string, err error) error {
	p.Kill()
	return fmt.Errorf("peer: %s: %w: %s", operation, err, p.errors.String())
}
