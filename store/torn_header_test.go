package store

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// tornStore is a store to which another program appended after it had been killed
// in the midst of an ingestion: what it then left is a header that claims bytes of
// what came later.
type tornStore struct {
	content  []byte
	torn     int64   // offset of the header
	borders  []int64 // where the segments behind it begin, and where the file ends
	vectors  map[uint64][]float32
	kernel   []byte
	program  []byte
	unknown  [][]byte // whole segments, in file order, named or not
	witness  int      // entries of the audit chain
	manifest segments.Manifest
	next     uint64
}

// add appends a segment, and names it if it is to be.
func (s *tornStore) add(kind segments.Type, named bool, payload []byte) {
	s.next++
	s.borders = append(s.borders, int64(len(s.content)))
	if named {
		s.manifest.Directory = append(s.manifest.Directory, segments.DirectoryEntry{
			SegmentID: s.next, Offset: int64(len(s.content)), PayloadLength: uint64(len(payload)), Type: kind,
		})
	}
	encoded := encodedSegment(kind, s.next, payload)
	if kind == unknownType {
		s.unknown = append(s.unknown, encoded)
	}
	s.content = append(s.content, encoded...)
}

func newTornStore(t *testing.T) *tornStore {
	t.Helper()
	files, s := emptyStore(t)
	defer s.Close()
	bring(t, s, []uint64{1, 2}, 1, 1, 2, 2)
	built := &tornStore{vectors: map[uint64][]float32{1: {1, 1}, 2: {2, 2}, 3: {3, 3}, 4: {4, 4}}, kernel: noise(700), program: noise(300)}
	snapshot := s.Current()
	last, err := lastWitness(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	built.content = slices.Clone(files.Names["a.rvf"].Content)
	built.manifest, built.next = *snapshot.Manifest(), 100
	built.manifest.Directory = snapshot.Named()

	// Two hundred rows were to come; six components did.
	built.torn = int64(len(built.content))
	header := encodedSegment(segments.TypeVec, built.next, rowsPayload(t, 9, 200))
	built.content = append(built.content, header[:segments.HeaderSize+segments.VecPrefixSize+30]...)

	entry := func(text string) []byte {
		payload := segments.Witness{Kind: segments.WitnessComputation, Previous: last, Action: []byte(text)}.Encode()
		last = lineage.WitnessHash(payload)
		return payload
	}
	built.add(segments.TypeVec, true, rowsPayload(t, 3, 2))
	built.add(segments.TypeWitness, false, entry("ingest:count=2,epoch=2"))
	built.add(unknownType, false, noise(50))
	kernel, err := segments.BuildKernelFront(segments.KernelHeader{ImageHash: shake256(built.kernel)}, nil, int64(len(built.kernel)), int64(len(built.kernel)), "")
	if err != nil {
		t.Fatal(err)
	}
	built.add(segments.TypeKernel, true, append(kernel[:], built.kernel...))
	built.add(unknownType, true, noise(60))
	built.add(segments.TypeWitness, false, entry("delete:count=0,epoch=3"))
	program, err := segments.BuildEBPF(segments.EBPFHeader{ProgramHash: shake256(built.program)}, int64(len(built.program)), 0)
	if err != nil {
		t.Fatal(err)
	}
	built.add(segments.TypeEBPF, true, append(program[:], built.program...))
	built.add(unknownType, false, noise(70))
	built.add(segments.TypeWitness, true, entry("delete:count=0,epoch=4"))
	built.add(segments.TypeWitness, false, entry("query:k=1,results=1,epoch=4")) // the newest, and not named
	built.manifest.Epoch, built.manifest.TotalVectors = 5, 4
	built.add(segments.TypeManifest, false, built.manifest.Encode())
	built.borders = append(built.borders, int64(len(built.content)))
	witnesses, err := auditChain(context.Background(), snapshot)
	if err != nil {
		t.Fatal(err)
	}
	built.witness = len(witnesses) + 4
	return built
}

// rowsPayload is count rows of two components with ids from first on.
func rowsPayload(t *testing.T, first uint64, count int) []byte {
	t.Helper()
	prefix := segments.EncodeVecPrefix(2, uint32(count))
	payload := prefix[:]
	for i := range uint64(count) {
		id := first + i
		payload = appendRows(payload, []uint64{id}, encodeRows([]float32{float32(id), float32(id)}))
	}
	return payload
}

// TestTornHeadersHideNothing: whatever bytes of later segments a torn header claims,
// all of them are there, in every view and after a compaction.
func TestTornHeadersHideNothing(t *testing.T) {
	t.Parallel()
	built := newTornStore(t)
	var ends []int64
	for _, border := range built.borders {
		ends = append(ends, border-1, border, border+1, border+segments.HeaderSize, border+90)
	}
	for _, end := range append(ends, 1<<40) {
		length := end - built.torn - segments.HeaderSize
		if length < segments.VecPrefixSize {
			continue
		}
		for _, hashed := range []bool{true, false} {
			t.Run(fmt.Sprintf("up to %d, with a hash: %t", end, hashed), func(t *testing.T) {
				t.Parallel()
				built.hides(t, uint64(length), hashed)
			})
		}
	}
}

// hides checks all that is there when the torn header has the given length, and the
// hash of the payload that it was to have, or none.
func (b *tornStore) hides(t *testing.T, length uint64, hashed bool) {
	t.Helper()
	files := volumes.New()
	file, err := files.Create("a.rvf", 0o644)
	if err != nil {
		t.Fatal(err)
	}
	content := slices.Clone(b.content)
	header, err := segments.ParseHeader(content[b.torn:])
	if err != nil {
		t.Fatal(err)
	}
	header.PayloadLength = length
	if !hashed {
		header.ContentHash = [16]byte{}
	}
	encoded := header.Encode()
	copy(content[b.torn:], encoded[:])
	if _, err := file.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b.check(t, s, files, "as it was found")
	if _, err := s.Delete(context.Background(), []uint64{1}); err != nil {
		t.Fatal(err)
	}
	changed := *b
	changed.vectors = map[uint64][]float32{2: {2, 2}, 3: {3, 3}, 4: {4, 4}}
	changed.witness++
	changed.check(t, s, files, "after a commit")
	for i := range 2 {
		if _, err := s.Compact(context.Background()); err != nil {
			t.Fatal(err)
		}
		changed.witness += 2 // of which one tells what states are gone
		changed.check(t, s, files, fmt.Sprintf("after %d compactions", i+1))
	}
	if found := verify(t, s.Current()); found.Notes != 3 { // the unknown segments
		t.Errorf("the compacted store: %s", describeFindings(found))
	}
}

// check compares everything that the store shows.
func (b *tornStore) check(t *testing.T, s *Store, files *volumes.Files, when string) {
	t.Helper()
	sameContents(t, contents(t, s), b.vectors)
	for kind, want := range map[segments.Type][]byte{segments.TypeKernel: b.kernel, segments.TypeEBPF: b.program} {
		name := map[segments.Type]string{segments.TypeKernel: "image", segments.TypeEBPF: "program.o"}[kind]
		if got := file(t, s, kind, name); !bytes.Equal(got, want) {
			t.Errorf("%s: the %s is another one, of %d bytes", when, kind, len(got))
		}
	}
	content := files.Names["a.rvf"].Content
	var unknown [][]byte
	opened, err := files.Open("a.rvf", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Current().In(opened).Walk(func(segment segments.Segment) error {
		if segment.Type == unknownType {
			unknown = append(unknown, content[segment.Offset:segment.End()])
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(unknown, b.unknown, bytes.Equal) {
		t.Errorf("%s: %d segments of an unknown type, want %d, or others", when, len(unknown), len(b.unknown))
	}
	witnesses, err := auditChain(context.Background(), s.Current())
	if err != nil || len(witnesses) != b.witness {
		t.Errorf("%s: %d entries of the audit chain, want %d, %v", when, len(witnesses), b.witness, err)
	}
	for i, witness := range witnesses {
		if want := map[bool]state.AuditVerdict{true: state.AuditStart, false: state.AuditLinked}[i == 0]; witness.Verdict != want {
			t.Errorf("%s: entry %d (%s) is %s", when, i, witness.Action, witness.Verdict)
		}
	}
	if found := verify(t, s.Current()); found.Damages > 0 {
		t.Errorf("%s: %s", when, describeFindings(found))
	}
}

func lastWitness(s *state.Snapshot) (hash lineage.Hash, err error) {
	err = s.With(context.Background(), state.Judging, func(reading *state.Reading) error {
		hash, err = reading.LastWitness()
		return err
	})
	return hash, err
}
