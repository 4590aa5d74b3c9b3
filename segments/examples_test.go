package segments

import (
	"bytes"
	"crypto/sha3"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rvffs/lineage"
)

// The stores that the reference project published are what their index says.
func TestExamples(t *testing.T) {
	t.Parallel()
	directory := examples(t)
	index, err := os.ReadFile(filepath.Join(directory, "INDEX.tsv"))
	if err != nil {
		t.Skip("no index of the example stores")
	}
	lines := strings.Split(strings.TrimSpace(string(index)), "\n")
	for _, line := range lines[1:] {
		fields := strings.Split(line, "\t")
		t.Run(fields[0], func(t *testing.T) {
			t.Parallel()
			file, err := os.ReadFile(filepath.Join(directory, fields[0]))
			if err != nil {
				t.Fatal(err)
			}
			s := mustFind(t, file)
			if !s.Clean || s.End != int64(len(file)) || len(s.Behind) != 0 || s.Dialect != DialectRuntime {
				t.Errorf("state: end %d of %d, clean %v, %d behind", s.End, len(file), s.Clean, len(s.Behind))
			}
			live := liveIDs(t, file, s)
			m := s.Manifest
			got := []string{
				fields[0], fmt.Sprint(len(file)), fmt.Sprint(m.Dimension), fmt.Sprint(live), fmt.Sprint(m.Epoch), countTypes(t, file),
				m.Identity.FileID.String(), m.Identity.ParentID.String(), fmt.Sprint(m.Identity.Depth),
			}
			if !slices.Equal(got, fields) {
				t.Errorf("got  %q\nwant %q", got, fields)
			}
		})
	}
}

// liveIDs counts the vectors that can be seen.
func liveIDs(t *testing.T, file []byte, s *State) int {
	t.Helper()
	live := make(map[uint64]bool)
	for _, entry := range s.Manifest.Directory {
		if entry.Type != TypeVec {
			continue
		}
		header, err := ParseHeader(file[entry.Offset:])
		if err != nil {
			t.Fatal(err)
		}
		v, err := OpenVec(bytes.NewReader(file), Segment{header, entry.Offset}, s.Dialect)
		if err != nil {
			t.Fatal(err)
		}
		ids := make([]uint64, v.Count())
		if err := v.ReadIDs(0, ids); err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			live[id] = true
		}
	}
	for _, id := range s.Manifest.Deleted {
		delete(live, id)
	}
	return len(live)
}

// countTypes walks a file whose segments are all right, as "manifest:2 vec:1".
func countTypes(t *testing.T, file []byte) string {
	t.Helper()
	counts := make(map[string]int)
	w := NewWalker(bytes.NewReader(file), 0, int64(len(file)))
	for w.Next() {
		s := w.Segment()
		counts[s.Type.String()]++
		if verdict, err := VerifySegment(bytes.NewReader(file), s); verdict != HashMatch || err != nil {
			t.Errorf("segment at %d: %v, %v", s.Offset, verdict, err)
		}
		payload := file[s.PayloadOffset():s.End()]
		switch s.Type {
		case TypeManifest:
			m, err := ParseManifest(payload)
			if err != nil || !bytes.Equal(m.Encode(), payload) {
				t.Errorf("manifest at %d: %v", s.Offset, err)
			}
		case TypeKernel:
			k, err := ParseKernel(payload[:min(len(payload), MaxKernelPrefix)], int64(len(payload)))
			if err != nil {
				t.Errorf("kernel at %d: %v", s.Offset, err)
				continue
			}
			image := payload[k.ImageOffset : k.ImageOffset+k.ImageLength]
			if lineage.Fold(image) != k.Header.ImageHash || k.Header.Port == 0 {
				t.Errorf("kernel at %d: %+v", s.Offset, k)
			}
		case TypeEBPF:
			e, err := ParseEBPF(payload, int64(len(payload)))
			if err != nil {
				t.Errorf("eBPF at %d: %v", s.Offset, err)
				continue
			}
			if lineage.Fold(payload[e.ProgramOffset:e.BTFOffset]) != e.Header.ProgramHash {
				t.Errorf("eBPF at %d: %+v", s.Offset, e)
			}
		}
	}
	if !w.Clean() {
		t.Errorf("walk ends at %d of %d", w.End(), len(file))
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s:%d", name, counts[name]))
	}
	return strings.Join(parts, " ")
}

// The published children hold the fold of their parent's last bytes, as the
// parent is published: nothing was appended to it after the derivation.
func TestExamplesLineage(t *testing.T) {
	t.Parallel()
	directory := examples(t)
	for _, c := range []struct{ child, parent, match string }{
		{"lineage_child.rvf", "lineage_parent.rvf", "fold-tail at 52444 of 52444"},
		{"lineage_snapshot.rvdna", "lineage_child.rvf", "fold-tail at 26444 of 26444"},
		{"agent_handoff_b.rvf", "agent_handoff_a.rvf", "fold-tail at 31404 of 31404"},
	} {
		t.Run(c.child, func(t *testing.T) {
			t.Parallel()
			child, err := os.ReadFile(filepath.Join(directory, c.child))
			if err != nil {
				t.Skip("no such example")
			}
			parent, err := os.ReadFile(filepath.Join(directory, c.parent))
			if err != nil {
				t.Skip("no such example")
			}
			identity := mustFind(t, child).Manifest.Identity
			if err := lineage.CheckLink(identity, mustFind(t, parent).Manifest.Identity); err != nil {
				t.Error(err)
			}
			if got := matchingPrefix(parent, identity.ParentHash); got != c.match {
				t.Errorf("parent hash: %s, want %s", got, c.match)
			}
		})
	}
}

// matchingPrefix tells at the end of which segment the parent file was when
// the hash was taken.
func matchingPrefix(parent []byte, want lineage.Hash) string {
	w := NewWalker(bytes.NewReader(parent), 0, int64(len(parent)))
	for w.Next() {
		end := w.End()
		if w.Segment().Type == TypeManifest && lineage.Hash(sha3.SumSHAKE256(parent[w.Segment().PayloadOffset():end], lineage.HashSize)) == want {
			return fmt.Sprintf("%s at %d of %d", lineage.HashShakeManifest, end, len(parent))
		}
		if lineage.Fold(parent[max(0, end-lineage.TailSize):end]) == want {
			return fmt.Sprintf("%s at %d of %d", lineage.HashFoldTail, end, len(parent))
		}
	}
	return "none"
}
