package fs

import (
	"encoding/binary"
	"os"
	"slices"
	"strconv"
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
	look := func(name string) {
		t.Helper()
		if status := p.Lookup(cancel, &header, name, new(fuse.EntryOut)); status != fuse.EINTR {
			t.Fatal(status)
		}
	}
	begun := func(what string, want int) {
		t.Helper()
		for range want {
			<-inner.begun
		}
		if len(inner.begun) > 0 {
			t.Errorf("more calls were begun than may hang %s", what)
		}
	}
	for range mostLeftAt + 5 {
		look("a")
	}
	begun("at one name", mostLeftAt)
	for i := range mostLeft {
		look(strconv.Itoa(i))
	}
	begun("in all", mostLeft-mostLeftAt)
	close(inner.let)
	if status := p.Lookup(nil, &header, "a", new(fuse.EntryOut)); status != fuse.OK {
		t.Errorf("after the end: %v", status)
	}
}

// slowFolder lists two names, one of which is found late.
type slowFolder struct {
	*slowSystem
	looked chan string
}

func (s slowFolder) ReadDir(_ <-chan struct{}, _ *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	for i, name := range []string{"fast", "slow", "also fast"} {
		out.AddDirEntry(fuse.DirEntry{Name: name, Ino: uint64(i + 1), Off: uint64(i + 1)})
	}
	return fuse.OK
}

func (s slowFolder) Lookup(_ <-chan struct{}, _ *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	s.looked <- name
	if name == "slow" {
		<-s.let
	}
	out.NodeId, out.Mode = uint64(len(name)), fuse.S_IFDIR
	return fuse.OK
}

// TestListsWaitForNoName: what does not answer is listed by its name alone, and is not
// asked again as long as that lasts.
func TestListsWaitForNoName(t *testing.T) {
	t.Parallel()
	inner := slowFolder{newSlowSystem(), make(chan string, 10)}
	p := newPatience(inner)
	list := func(when string, nodes ...uint64) {
		t.Helper()
		const entry, size = 128, 4096 // fuse_entry_out, before each name
		buffer := make([]byte, size)
		out := fuse.NewDirEntryList(buffer, 0)
		if status := p.ReadDirPlus(nil, &fuse.ReadIn{Size: size}, out); status != fuse.OK {
			t.Fatal(status)
		}
		listed := out.Bytes()
		for i, want := range nodes {
			if got := binary.NativeEndian.Uint64(listed); got != want {
				t.Errorf("%s: name %d has node %d, want %d", when, i, got, want)
			}
			length := int(binary.NativeEndian.Uint32(listed[entry+16:]))
			listed = listed[entry+(24+length+7)/8*8:]
		}
		if len(listed) > 0 {
			t.Errorf("%s: %d bytes more", when, len(listed))
		}
	}
	list("while one hangs", 4, 0, 9)
	list("while it hangs still", 4, 0, 9)
	close(inner.let)
	p.settled()
	list("at the end", 4, 4, 9)
	close(inner.looked)
	slow := 0
	for name := range inner.looked {
		if name == "slow" {
			slow++
		}
	}
	if slow != 2 {
		t.Errorf("the slow one was looked up %d times", slow)
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
