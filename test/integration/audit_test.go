package integration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/compute"
	"rvffs/store/recovery"
	"rvffs/store/storetest"
	"rvffs/test/integration/peer"
	"rvffs/test/integration/rawfile"
)

// auditHistory is a store that rvffs and the reference runtime write in turns.
type auditHistory struct {
	*testing.T
	random  *rand.Rand
	path    string
	process *peer.Process // nil when it has died
	theirs  *peer.Store   // open by the peer; nil while it is our turn
	next    uint64
	steps   []string
	torn    bool // whether a peer has died while it wrote
}

func (h *auditHistory) step(format string, arguments ...any) {
	h.steps = append(h.steps, fmt.Sprintf(format, arguments...))
}

// rows are new vectors of dimension 4.
func (h *auditHistory) rows(count int) ([]uint64, []float32) {
	ids := make([]uint64, count)
	for i := range ids {
		ids[i] = h.next
		h.next++
	}
	return ids, make([]float32, 4*count)
}

// some is an id that may be stored.
func (h *auditHistory) some() []uint64 { return []uint64{h.random.Uint64N(h.next + 1)} }

func (h *auditHistory) peerOpens() {
	if h.theirs != nil {
		return
	}
	if h.process == nil {
		h.process = peer.Start(h.T)
	}
	h.theirs = must(h.process.Open(h.path))(h)
	h.step("the peer opens")
}

func (h *auditHistory) peerCloses() {
	if h.theirs == nil {
		return
	}
	if err := h.theirs.Close(); err != nil {
		h.Fatalf("%v: %v", h.steps, err)
	}
	h.theirs = nil
	h.step("the peer closes")
}

// peerWrites has the peer do something, whatever comes of it.
func (h *auditHistory) peerWrites() {
	h.peerOpens()
	var err error
	what := "ingests"
	switch h.random.IntN(9) {
	case 0, 1:
		_, err = h.theirs.Ingest(h.rows(1 + h.random.IntN(40)))
	case 2:
		what = "deletes"
		_, err = h.theirs.Delete(h.some())
	case 3:
		what = "queries"
		_, err = h.theirs.Query(make([]float32, 4), 3)
	case 4, 5:
		what = "searches, for which it makes an index"
		if h.next < 1100 {
			_, err = h.theirs.Ingest(h.rows(1100))
		}
		if h.next < 5000 && err == nil {
			_, err = h.theirs.Search(make([]float32, 4), 3)
		}
	case 6:
		what = "compacts"
		_, err = h.theirs.Compact()
	case 7:
		what = "embeds a kernel"
		err = h.theirs.EmbedKernel(peer.Kernel{Image: []byte("image"), Cmdline: "x"})
	case 8:
		what = "derives"
		var child *peer.Store
		if child, err = h.theirs.Derive(filepath.Join(h.TempDir(), "child.rvf")); err == nil {
			err = child.Close()
		}
	}
	h.step("the peer %s (%v)", what, err)
}

// peerDies kills the peer, in the midst of what it writes, or has the file end there as a
// power cut leaves it.
func (h *auditHistory) peerDies() {
	h.peerOpens()
	before := h.size()
	if h.random.IntN(3) > 0 {
		killer := time.AfterFunc(time.Duration(h.random.IntN(5000))*time.Microsecond, h.process.Kill)
		ids, vectors := h.rows(1 + h.random.IntN(400))
		_, err := h.theirs.Ingest(ids, vectors)
		killer.Stop()
		h.step("the peer dies while it ingests (%v)", err)
	}
	h.process.Kill()
	h.process, h.theirs = nil, nil
	if err := os.Remove(h.path + ".lock"); err != nil && !errors.Is(err, os.ErrNotExist) {
		h.Fatal(err)
	}
	h.step("the peer is dead")
	if lost := h.size() - before; lost > 0 && h.random.IntN(3) > 0 {
		if h.random.IntN(2) == 0 {
			lost = min(lost, 700) // within audit entry and manifest
		}
		h.torn = true
		if err := os.Truncate(h.path, h.size()-h.random.Int64N(lost)); err != nil {
			h.Fatal(err)
		}
		h.step("the file ends at %d, of %d to %d", h.size(), before, before+lost)
	}
}

func (h *auditHistory) size() int64 { return must(os.Stat(h.path))(h).Size() }

func (h *auditHistory) weWrite() {
	h.peerCloses()
	withEngine(h.T, h.path, func(ctx context.Context, s *store.Store) error {
		for range 1 + h.random.IntN(3) {
			var err error
			what := "ingest"
			switch h.random.IntN(7) {
			case 0, 1:
				ids, vectors := h.rows(1 + h.random.IntN(20))
				_, err = s.Ingest(ctx, ids, vectors)
			case 2:
				what = "delete"
				_, err = s.Delete(ctx, h.some())
			case 3, 4:
				what = "compact"
				_, err = s.Compact(ctx)
			case 5:
				what = "embed a kernel"
				_, err = s.EmbedKernel(ctx, strings.NewReader("ours"), 4, compute.KernelConfig{Header: segments.KernelHeader{Type: segments.KernelMicroLinux}})
			case 6:
				what = "recover"
				_, err = s.Recover(ctx, recovery.Options{Drop: h.random.IntN(2) == 0})
			}
			h.step("we %s (%v)", what, err)
			if err != nil {
				return fmt.Errorf("%s: %w", strings.Join(h.steps, "\n"), err)
			}
		}
		return nil
	})
}

// sound checks that the audit chain is one, as far as both programs see to that.
func (h *auditHistory) sound() error {
	s, err := store.OpenReadOnly(context.Background(), filepath.Base(h.path), store.Options{Shelf: storetest.Shelf(h.T, h.path)})
	if err != nil {
		return err
	}
	defer s.Close()
	found, err := s.Verify(context.Background())
	for _, finding := range found.Findings {
		switch {
		case strings.Contains(finding.Text, "rvffs recover"): // of a peer that died
		case finding.Severity == store.Damage, strings.Contains(finding.Text, "audit chain forks"), strings.Contains(finding.Text, "audit chain lacks") && !h.torn:
			err = errors.Join(err, fmt.Errorf("%s: %s", finding.Severity, finding.Text))
		}
	}
	return err
}

// TestAuditChainOfTwoPrograms has both programs write a store in turns, whatever happens to
// the other one: to the end it has one audit chain.
func TestAuditChainOfTwoPrograms(t *testing.T) {
	t.Parallel()
	count, first := fromEnvironment(t, "RVFFS_AUDIT_HISTORIES", 8), fromEnvironment(t, "RVFFS_AUDIT_FIRST", 0)
	process := peer.Start(t)
	for seed := first; seed < first+count; seed++ {
		h := &auditHistory{T: t, random: rand.New(rand.NewPCG(seed, 11)), path: filepath.Join(t.TempDir(), "a.rvf"), process: process}
		if seed%2 == 0 {
			run(t, program, "create", h.path, "--dimension", "4")
		} else {
			h.theirs = must(process.Create(h.path, 4, "l2"))(t)
		}
		for range 25 {
			switch h.random.IntN(12) {
			case 0:
				h.peerDies()
			case 1, 2:
				h.peerCloses()
			case 3, 4, 5, 6:
				h.weWrite()
			default:
				h.peerWrites()
			}
			if err := h.sound(); err != nil {
				t.Fatalf("history %d: %v\n%s\n%s", seed, err, strings.Join(h.steps, "\n"), auditText(h.path))
			}
		}
		h.peerCloses()
		if process = h.process; process == nil {
			process = peer.Start(t)
		}
	}
}

// auditText shows the segments of a file, and which entry of its audit chain follows which.
func auditText(path string) string {
	file, err := rawfile.Read(path)
	if err != nil {
		return err.Error()
	}
	var text strings.Builder
	hashes := map[[32]byte]string{{}: "none"}
	for _, segment := range file.Segments {
		fmt.Fprintf(&text, "%d: %s, %d bytes", segment.Offset, rawfile.TypeName(segment.Type), len(segment.Payload))
		if segment.Type == rawfile.TypeWitness {
			end := len(segment.Payload) - 32
			fmt.Fprintf(&text, " %q follows %s", segment.Payload[13:end], cmp.Or(hashes[[32]byte(segment.Payload[end:])], "what is not there"))
			hashes[rawfile.Fold(segment.Payload)] = fmt.Sprint(segment.Offset)
		}
		text.WriteByte('\n')
	}
	return text.String()
}
