package objectstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// process is one of a server's.
type process struct {
	name    string
	command *exec.Cmd
	log     string // the file of what it says
	ended   chan struct{}
	status  error // once it has ended
}

// errEnded says that a process of a server ended by itself.
var errEnded = errors.New("it ended by itself")

// run starts a process of the server, which runs in the server's folder.
func (s *Server) run(name string, environment []string, program string, arguments ...string) error {
	p := &process{name: name, command: exec.Command(program, arguments...), log: filepath.Join(s.folder, name+".log"), ended: make(chan struct{})}
	said, err := os.Create(p.log)
	if err != nil {
		return err
	}
	defer said.Close()
	p.command.Dir, p.command.Env = s.folder, append(os.Environ(), environment...)
	p.command.Stdout, p.command.Stderr = said, said
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// It is killed when this thread ends, and that is when the tests do, however they end.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.command.Start()
		started <- err
		if err == nil {
			p.status = p.command.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.processes = append(s.processes, p)
	return nil
}

// running fails with errEnded when the process does not run any more.
func (p *process) running() error {
	select {
	case <-p.ended:
		return errors.Join(fmt.Errorf("%s: %w: %w", p.name, errEnded, p.status), p.lastWords())
	default:
		return nil
	}
}

// lastWords is the end of what the process has said.
func (p *process) lastWords() error {
	const some = 2 << 10
	said, err := os.ReadFile(p.log)
	if err != nil {
		return err
	}
	return fmt.Errorf("%s says: …%s", p.name, said[max(0, len(said)-some):])
}

// stop ends the process.
func (p *process) stop() error {
	_ = p.command.Process.Signal(syscall.SIGTERM)
	late := time.NewTimer(10 * time.Second)
	defer late.Stop()
	select {
	case <-p.ended:
	case <-late.C:
		_ = p.command.Process.Kill()
		<-p.ended
	}
	return nil
}

// tool runs a program of the server's to its end.
func (s *Server) tool(name string, arguments ...string) error {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	command := exec.CommandContext(ctx, name, arguments...)
	command.Dir = s.folder
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, output)
	}
	return nil
}

// freePorts are some of loopback at which nobody listens.
func freePorts(count int) (ports []string, err error) {
	var held []net.Listener
	for range count {
		listener, listening := net.Listen("tcp", "127.0.0.1:0")
		if listening != nil {
			err = listening
			break
		}
		held = append(held, listener)
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		ports = append(ports, port)
	}
	for _, listener := range held { // only now, so that they are different ones
		err = errors.Join(err, listener.Close())
	}
	return ports, err
}
