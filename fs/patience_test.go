package fs

import (
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// slowSystem answers look-ups when it is let, and notes what it is told.
type slowSystem struct {
	fuse.RawFileSystem
	begun chan struct{} // one for each look-up
	let   chan struct{} // closed when they may end

	mu   sync.Mutex
	told []string
}

func newSlowSystem() *slowSystem {
	return &slowSystem{RawFileSystem: fuse.NewDefaultRawFileSystem(), begun: make(chan struct{}, 2*mostLeft), let: make(chan struct{})}
}

func (s *slowSystem) Lookup(_ <-chan struct{}, _ *fuse.InHeader, _ string, out *fuse.EntryOut) fuse.Status {
	s.begun <- struct{}{}
	<-s.let
	out.NodeId = 7
	return fuse.OK
}

func (s *slowSystem) Open(_ <-chan struct{}, _ *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	s.begun <- struct{}{}
	<-s.let
	out.Fh = 5
	return fuse.OK
}

func (s *slowSystem) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, what)
}

func (s *slowSystem) Forget(node, _ uint64) {
	s.note(map[uint64]string{7: "forget what was found", 3: "forget the folder"}[node])
}

func (s *slowSystem) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	if in.Fh == 5 {
		s.note("close what was opened")
	}
}

// gone is the header of a request by a process that is not there any more.
func gone(node uint64) fuse.InHeader {
	return fuse.InHeader{NodeId: node, Caller: fuse.Caller{Pid: 1 << 30}}
}

// settled waits until no call goes on without its caller.
func (p *patience) settled() {
	for {
		p.mu.Lock()
		calls, fewer := p.calls, p.fewer
		p.mu.Unlock()
		if calls == 0 {
			return
		}
		<-fewer
	}
}

// TestKilledCallerIsAnsweredAtOnce kills the callers of a look-up and of an open that
// hang. What they have done is taken back when they end, and only then may the
// kernel's own farewells pass.
func TestKilledCallerIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	inner := newSlowSystem()
	p := newPatience(inner)
	cancel := make(chan struct{})
	close(cancel)
	header := gone(3)
	if status := p.Lookup(cancel, &header, "a", new(fuse.EntryOut)); status != fuse.EINTR {
		t.Errorf("look-up: %v", status)
	}
	if status := p.Open(cancel, &fuse.OpenIn{InHeader: header}, new(fuse.OpenOut)); status != fuse.EINTR {
		t.Errorf("open: %v", status)
	}
	p.Forget(3, 1)
	if len(inner.told) > 0 {
		t.Errorf("before the end: %q", inner.told)
	}
	close(inner.let)
	p.settled()
	inner.mu.Lock()
	defer inner.mu.Unlock()
	if len(inner.told) != 3 || inner.told[2] != "forget the folder" || !slices.Contains(inner.told, "forget what was found") || !slices.Contains(inner.told, "close what was opened") {
		t.Errorf("at the end: %q", inner.told)
	}
}

// TestPatientCallerGetsTheAnswer, and so does one that was interrupted by a signal
// it survives.
func TestPatientCallerGetsTheAnswer(t *testing.T) {
	t.Parallel()
	inner := newSlowSystem()
	p := newPatience(inner)
	header := fuse.InHeader{NodeId: 3, Caller: fuse.Caller{Pid: uint32(os.Getpid())}}
	cancel := make(chan struct{})
	go func() {
		<-inner.begun
		close(cancel)
		close(inner.let)
	}()
	for range 2 {
		var out fuse.EntryOut
		if status := p.Lookup(cancel, &header, "a", &out); status != fuse.OK || out.NodeId != 7 {
			t.Errorf("%v, node %d", status, out.NodeId)
		}
	}
	if len(inner.told) > 0 || p.calls != 0 {
		t.Errorf("%q, %d calls", inner.told, p.calls)
	}
}

// TestCallsWithoutCallersAreBounded hangs as many as there may be, and begins no
// more.
func TestCallsWithoutCallersAreBounded(t *testing.T) {
	t.Parallel()
	inner := newSlowSystem()
	p := newPatience(inner)
	cancel := make(chan struct{})
	close(cancel)
	header := gone(3)
	for range mostLeft + 5 {
		if status := p.Lookup(cancel, &header, "a", new(fuse.EntryOut)); status != fuse.EINTR {
			t.Fatal(status)
		}
	}
	for range mostLeft {
		<-inner.begun
	}
	if len(inner.begun) > 0 {
		t.Error("more calls were begun than may hang")
	}
	close(inner.let)
	if status := p.Lookup(nil, &header, "a", new(fuse.EntryOut)); status != fuse.OK {
		t.Errorf("after the end: %v", status)
	}
}

func TestKilled(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]bool{
		"Name:\tcat\nThreads:\t1\nSigPnd:\t0000000000000100\nShdPnd:\t0000000000000000\n": true,
		"Name:\tcat\nThreads:\t1\nSigPnd:\t0000000000004102\nShdPnd:\t0000000000000000\n": true,
		"Name:\tcat\nThreads:\t1\nSigPnd:\t0000000000004002\nShdPnd:\t0000000000000100\n": false,
		"Name:\tSigPnd:\nThreads:\t1\n": false,
		"":                              false,
	} {
		if got := killed([]byte(status)); got != want {
			t.Errorf("%q: %v", status, got)
		}
	}
	if dying(uint32(os.Getpid())) || dying(0) || !dying(1<<30) {
		t.Error("who is alive is taken for dying, or the other way round")
	}
}
