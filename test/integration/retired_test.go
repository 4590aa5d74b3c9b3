package integration

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/test/integration/peer"
	"rvffs/test/integration/rawfile"
)

// theirTypes are the words of the reference runtime for what a store carries.
var theirTypes = map[string]string{"kernel": "kernel", "ebpf": "ebpf", "wasm": "unknown(0x10)", "dashboard": "unknown(0x11)"}

// TestWhatIsReplacedStaysGone lets both programs change a file by turns, be killed and
// compact: an image that was replaced or removed never comes back.
func TestWhatIsReplacedStaysGone(t *testing.T) {
	t.Parallel()
	histories := 12
	if testing.Short() {
		histories = 4
	}
	peer.Start(t) // or there is nothing to be tested
	for seed := range uint64(histories) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			newImageHistory(t, seed).run(24)
		})
	}
}

// imageHistory is one file that both programs change.
type imageHistory struct {
	t       *testing.T
	random  *rand.Rand
	path    string
	process *peer.Process
	next    int               // a number for each image
	want    map[string]string // what is carried, by kind; of a kernel its text
	done    []string
}

func newImageHistory(t *testing.T, seed uint64) *imageHistory {
	h := &imageHistory{
		t: t, random: rand.New(rand.NewPCG(seed, 11)), path: filepath.Join(t.TempDir(), "a.rvf"), process: peer.Start(t), want: map[string]string{},
	}
	rawfile.NewBuilder(fmt.Sprint("replaced", seed), 4).Write(t, h.path)
	return h
}

func (h *imageHistory) run(steps int) {
	for range steps {
		h.step()
		h.check()
		if h.t.Failed() {
			h.t.Fatalf("history: %s", strings.Join(h.done, ", "))
		}
	}
}

func (h *imageHistory) step() {
	kind := []string{"kernel", "kernel", "ebpf", "wasm", "dashboard"}[h.random.IntN(5)]
	switch h.random.IntN(9) {
	case 0, 1, 2:
		h.embed(kind, false)
	case 3:
		h.embed(kind, true)
	case 4:
		h.done = append(h.done, "remove "+kind)
		got := try(h.t, program, "remove", h.path, kind)
		if _, there := h.want[kind]; there == (got.code != 0) {
			h.t.Errorf("remove %s: %+v", kind, got)
		}
		delete(h.want, kind)
	case 5:
		h.done = append(h.done, "compact")
		run(h.t, program, "compact", h.path)
	case 6, 7:
		h.done = append(h.done, "their compact")
		h.theirs(func(s *peer.Store) error {
			_, err := s.Compact()
			return err
		})
	case 8:
		h.done = append(h.done, "their ingest, killed")
		h.theirs(func(s *peer.Store) error {
			_, err := s.Ingest([]uint64{uint64(h.random.IntN(50))}, []float32{1, 2, 3, 4})
			h.process.Kill()
			h.process = peer.Start(h.t)
			// Nobody takes the lock of a process that is gone before it is old.
			return errors.Join(err, os.Remove(h.path+".lock"))
		})
	}
}

// theirs is a turn of the reference runtime.
func (h *imageHistory) theirs(use func(*peer.Store) error) {
	h.t.Helper()
	process := h.process
	s := peersTurn(h.t, process, h.path)
	if err := use(s); err != nil {
		h.t.Fatal(err)
	}
	if process == h.process {
		if err := s.Close(); err != nil {
			h.t.Fatal(err)
		}
	}
}

// embed embeds another image of a kind, in the place of the one before; a command that is
// killed has done so or not.
func (h *imageHistory) embed(kind string, killed bool) {
	h.next++
	text := fmt.Sprintf("%s %d", kind, h.next)
	source := filepath.Join(h.t.TempDir(), "image")
	arguments := []string{"embed-" + kind}
	switch kind {
	case "kernel":
		arguments = append(arguments, "--arch", "x86_64", "--type", "custom")
	case "wasm":
		text = "\x00asm\x01\x00\x00\x00\x00" + string(rune(len(text))) + text
	case "ebpf":
		arguments = append(arguments, "--type", "kprobe")
	case "dashboard":
		source = filepath.Join(h.t.TempDir(), "site")
		demand(h.t, "make a folder", os.Mkdir(source, 0o700))
		demand(h.t, "write a page", os.WriteFile(filepath.Join(source, "index.html"), []byte(text), 0o600))
	}
	if kind != "dashboard" {
		demand(h.t, "write an image", os.WriteFile(source, []byte(text), 0o600))
	}
	arguments = append(arguments, h.path, source)
	if !killed {
		h.done = append(h.done, "embed "+text)
		run(h.t, program, arguments...)
		h.want[kind] = text
		return
	}
	h.done = append(h.done, "embed, killed, "+text)
	command := exec.Command(program, arguments...)
	demand(h.t, "start the command", command.Start())
	time.Sleep(time.Duration(h.random.IntN(30)) * time.Millisecond) // a moment like any other
	_ = command.Process.Kill()
	if command.Wait() == nil {
		h.want[kind] = text
		return
	}
	_ = os.Remove(h.path + ".lock")
	// Nobody was told of it: it is there or not, and what comes next replaces both.
	h.done = append(h.done, "again")
	run(h.t, program, arguments...)
	h.want[kind] = text
}

// check compares what either program finds.
func (h *imageHistory) check() {
	h.t.Helper()
	s, err := h.process.OpenReadonly(h.path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer s.Close()
	counts := map[string]int{}
	for _, segment := range must(s.Segments())(h.t) {
		counts[segment.SegType]++
	}
	for kind, theirs := range theirTypes {
		_, there := h.want[kind]
		if counts[theirs] > 1 || (counts[theirs] == 1) != there {
			h.t.Errorf("the peer finds %d segments of type %s, want some: %t", counts[theirs], theirs, there)
		}
	}
	kernel := must(s.ExtractKernel())(h.t)
	if text, there := h.want["kernel"]; there != (kernel != nil) || there && string(kernel.Bytes) != text {
		h.t.Errorf("the peer extracts %v, want %q", kernel, text)
	}
	// Nothing of the kind stands in the file besides.
	content := readFile(h.t, h.path)
	found := map[segments.Type]int{}
	walker := segments.NewWalker(strings.NewReader(string(content)), 0, int64(len(content)))
	for walker.Next() {
		found[walker.Segment().Type]++
	}
	for kind, of := range map[string]segments.Type{
		"kernel": segments.TypeKernel, "ebpf": segments.TypeEBPF, "wasm": segments.TypeWASM, "dashboard": segments.TypeDashboard,
	} {
		if _, there := h.want[kind]; found[of] > 1 || !there && found[of] > 0 {
			h.t.Errorf("%d segments of type %s can be found in the file", found[of], of)
		}
	}
	if got := try(h.t, program, "verify", h.path); got.code != 0 {
		h.t.Errorf("verify: %+v", got)
	}
}
