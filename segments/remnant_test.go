package segments

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// remnantSegment is a segment as writers make it.
func remnantSegment(kind Type, id uint64, payload []byte) []byte {
	header := Header{Version: 1, Type: kind, ID: id, PayloadLength: uint64(len(payload)), ContentHash: ContentHash(payload)}
	encoded := header.Encode()
	return append(encoded[:], payload...)
}

// remnantVectors is a segment of so many vectors of dimension 2.
func remnantVectors(id uint64, count int) []byte {
	prefix := EncodeVecPrefix(2, uint32(count))
	payload := prefix[:]
	for i := range count {
		payload = binary.LittleEndian.AppendUint64(payload, id<<32|uint64(i))
		payload = binary.LittleEndian.AppendUint64(payload, math.Float64bits(float64(i)))
	}
	return remnantSegment(TypeVec, id, payload)
}

// unsay takes a manifest's magic number away.
func unsay(segment []byte) []byte {
	segment = bytes.Clone(segment)
	copy(segment, []byte{0, 0, 0, 0})
	return segment
}

// damage changes a byte of a payload.
func damage(segment []byte) []byte {
	segment = bytes.Clone(segment)
	segment[len(segment)-3] ^= 1
	return segment
}

func describeRemnants(t *testing.T, content []byte, from int64) string {
	t.Helper()
	var words []string
	at := from
	err := WalkRemnants(bytes.NewReader(content), from, int64(len(content)), func(r Remnant) error {
		if r.Offset != at || r.Length <= 0 {
			t.Errorf("a stretch of %d bytes at %d, want one at %d", r.Length, r.Offset, at)
		}
		at = r.Stop()
		word := map[RemnantKind]string{RemnantBytes: "bytes", RemnantWhole: "whole", RemnantCut: "cut", RemnantDamaged: "damaged", RemnantUnsaid: "unsaid"}[r.Kind]
		if r.Kind != RemnantBytes {
			word += fmt.Sprintf(" %d", r.ID)
		}
		words = append(words, fmt.Sprintf("%s:%d", word, r.Length))
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if at != int64(len(content)) && from < int64(len(content)) {
		t.Errorf("the walk ends at %d of %d bytes", at, len(content))
	}
	return strings.Join(words, ", ")
}

func TestRemnants(t *testing.T) {
	t.Parallel()
	vec, other := remnantVectors(1, 5), remnantVectors(2, 7) // 150 and 182 bytes
	witness := remnantSegment(TypeWitness, 3, []byte("witness"))
	manifest := remnantSegment(TypeManifest, 4, (&Manifest{Epoch: 7, Dimension: 2}).Encode()) // 90 bytes
	zeros := make([]byte, 300)
	noise := bytes.Repeat([]byte("noise"), 20)
	inside := remnantSegment(TypeKernel, 5, slices.Concat(vec, other))
	hashless := bytes.Clone(vec)
	clear(hashless[0x28:0x38])
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"nothing", nil, ""},
		{"whole ones", slices.Concat(vec, witness, manifest), "whole 1:150, whole 3:71, whole 4:90"},
		{"a body without header", zeros, "bytes:300"},
		{"a whole one behind such a body", slices.Concat(zeros, vec), "bytes:300, whole 1:150"},
		{"a cut one", vec[:120], "cut 1:120"},
		{"cut in the header", vec[:40], "bytes:40"},
		{"cut, with a whole one behind", slices.Concat(vec[:120], other, witness), "cut 1:120, whole 2:182, whole 3:71"},
		{"cut behind other bytes", slices.Concat(noise, other[:100]), "bytes:100, cut 2:100"},
		{"a kernel cut behind other bytes cannot be told", slices.Concat(noise, inside[:100]), "bytes:200"},
		{"damaged", slices.Concat(damage(vec), other), "damaged 1:150, whole 2:182"},
		{"damaged at the end", damage(vec), "damaged 1:150"},
		{"without a hash", slices.Concat(hashless, other), "damaged 1:150, whole 2:182"},
		{"what is whole is not looked into", inside, fmt.Sprintf("whole 5:%d", len(inside))},
		{"what is not is", slices.Concat(damage(inside), witness), "cut 5:64, whole 1:150, damaged 2:182, whole 3:71"},
		{"an interrupted commit", slices.Concat(vec, unsay(manifest)), "whole 1:150, unsaid 4:90"},
		{"of which a header is missing", slices.Concat(vec, zeros[:len(other)], witness, unsay(manifest)),
			fmt.Sprintf("whole 1:150, bytes:%d, whole 3:71, unsaid 4:90", len(other))},
		{"and all small segments", slices.Concat(vec, zeros, unsay(manifest)), "whole 1:150, bytes:300, unsaid 4:90"},
		{"with half a magic number", slices.Concat(vec, []byte("SF"), unsay(manifest)[2:]), "whole 1:150, unsaid 4:90"},
		{"cut in its payload", slices.Concat(vec, unsay(manifest)[:80]), "whole 1:150, unsaid 4:80"},
		{"torn in its payload", slices.Concat(vec, unsay(damage(manifest)), other), "whole 1:150, unsaid 4:90, whole 2:182"},
		{"zeros that only look like one", slices.Concat(vec, zeros[:58], []byte{1, 5}, zeros), "whole 1:150, bytes:360"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, before := range []int{0, 1000} {
				content := append(bytes.Repeat([]byte("x"), before), c.content...)
				if got := describeRemnants(t, content, int64(before)); got != c.want {
					t.Errorf("from %d: %s, want %s", before, got, c.want)
				}
			}
		})
	}
}

// TestRemnantsOverChunkBorders finds a segment wherever it begins.
func TestRemnantsOverChunkBorders(t *testing.T) {
	t.Parallel()
	vec := remnantVectors(1, 5)
	for _, gap := range []int{scanChunk - 100, scanChunk - 64, scanChunk - 63, scanChunk - 1, scanChunk, scanChunk + 1, scanChunk + 63, scanChunk + 64, scanChunk + 65, 2*scanChunk + 127} {
		content := append(bytes.Repeat([]byte("x"), gap), vec...)
		if got, want := describeRemnants(t, content, 0), fmt.Sprintf("bytes:%d, whole 1:150", gap); got != want {
			t.Errorf("%d bytes before: %s", gap, got)
		}
	}
}

func TestCutVectors(t *testing.T) {
	t.Parallel()
	vec := remnantVectors(1, 5)
	for length := range len(vec) {
		content := vec[:length]
		count := 0
		err := WalkRemnants(bytes.NewReader(content), 0, int64(length), func(r Remnant) error {
			dimension, rows, err := CutVectors(bytes.NewReader(content), r)
			if rows > 0 && dimension != 2 {
				t.Errorf("dimension %d", dimension)
			}
			count += rows
			return err
		})
		if want := max(0, (length-HeaderSize-VecPrefixSize)/16); err != nil || count != want {
			t.Errorf("%d bytes: %d vectors, want %d: %v", length, count, want, err)
		}
	}
	odd := bytes.Clone(vec)
	odd[HeaderSize+2]++ // a count that does not fit the length
	if _, rows, err := CutVectors(bytes.NewReader(odd), Remnant{Segment: Segment{Header: mustHeader(t, odd)}, Length: 140}); rows != 0 || err != nil {
		t.Errorf("%d vectors, %v", rows, err)
	}
}

func mustHeader(t *testing.T, b []byte) Header {
	t.Helper()
	header, err := ParseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	return header
}

// TestRemnantsOfHostileBytes: whatever the bytes claim, the walk ends soon and comes
// by each byte once.
func TestRemnantsOfHostileBytes(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	hostile := map[string]func(i int) []byte{
		"headers that claim all": func(i int) []byte {
			header := Header{Version: 1, Type: TypeVec, ID: uint64(i), PayloadLength: uint64(size - 64*(i+1)), ContentHash: ContentHash([]byte("x"))}
			encoded := header.Encode()
			return encoded[:]
		},
		"magic numbers": func(int) []byte { return magicBytes },
		"unsaid starts": func(int) []byte { return unsaidStart },
		"huge lengths": func(int) []byte {
			h := Header{Version: 1, Type: TypeVec, PayloadLength: math.MaxUint64}.Encode()
			return h[:]
		},
		"small segments": func(i int) []byte { return remnantSegment(TypeVec, uint64(i), nil) },
	}
	for name, make := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var content []byte
			for i := 0; len(content) < size; i++ {
				content = append(content, make(i)...)
			}
			began := time.Now()
			describeRemnants(t, content, 0)
			if took := time.Since(began); took > time.Minute {
				t.Errorf("the walk took %v", took)
			}
		})
	}
}

// TestRemnantsReportReadErrors: a disk that fails is not a torn segment.
func TestRemnantsReportReadErrors(t *testing.T) {
	t.Parallel()
	content := slices.Concat(remnantVectors(1, 5), make([]byte, 100), remnantVectors(2, 7), remnantVectors(3, 100)[:300])
	broken := errors.New("broken")
	for fail := 1; ; fail++ {
		reads := 0
		err := WalkRemnants(readerFunc(func(p []byte, offset int64) (int, error) {
			if reads++; reads == fail {
				return 0, broken
			}
			return bytes.NewReader(content).ReadAt(p, offset)
		}), 0, int64(len(content)), func(Remnant) error { return nil })
		if reads < fail {
			break
		}
		if !errors.Is(err, broken) {
			t.Errorf("read %d: %v", fail, err)
		}
	}
}

type readerFunc func(p []byte, offset int64) (int, error)

func (f readerFunc) ReadAt(p []byte, offset int64) (int, error) { return f(p, offset) }

var _ io.ReaderAt = readerFunc(nil)

func FuzzRemnants(f *testing.F) {
	vec := remnantVectors(1, 5)
	f.Add(slices.Concat(vec, vec[:100], vec))
	f.Add(unsay(remnantSegment(TypeManifest, 4, (&Manifest{Epoch: 7}).Encode())))
	f.Fuzz(func(t *testing.T, content []byte) {
		describeRemnants(t, content, 0)
		// A whole segment is found wherever it stands.
		random := rand.New(rand.NewPCG(uint64(len(content)), 1))
		place := 0
		if len(content) > 0 {
			place = random.IntN(len(content))
		}
		joined := slices.Concat(content[:place], vec, content[place:])
		found := false
		if err := WalkRemnants(bytes.NewReader(joined), 0, int64(len(joined)), func(r Remnant) error {
			found = found || r.Kind == RemnantWhole && r.Offset <= int64(place) && r.Stop() >= int64(place+len(vec))
			return nil
		}); err != nil || !found {
			t.Errorf("found: %t, %v", found, err)
		}
	})
}

// TestInterruptedCommitIsNoState: what stands before a manifest whose magic number was
// never written tells of what never happened, but for what stood there before.
func TestInterruptedCommitIsNoState(t *testing.T) {
	t.Parallel()
	first := remnantSegment(TypeManifest, 1, (&Manifest{Epoch: 1, Dimension: 2}).Encode())
	vec, entry := remnantVectors(2, 3), remnantSegment(TypeWitness, 3, []byte("entry"))
	foreign := remnantSegment(Type(0xf7), 9, []byte("foreign"))
	next := unsay(remnantSegment(TypeManifest, 4, (&Manifest{Epoch: 2, Dimension: 2}).Encode()))
	for _, c := range []struct {
		name   string
		behind []byte
		want   string // ids of Behind
	}{
		{"interrupted", slices.Concat(vec, entry, next), "[]"},
		{"interrupted, cut", slices.Concat(vec, entry, next[:70]), "[]"},
		{"behind what another program left", slices.Concat(foreign, vec, entry, next), "[9]"},
		{"without the manifest nobody can tell", slices.Concat(vec, entry), "[3]"},
		{"a manifest that only begins", slices.Concat(vec, entry, next[:40]), "[3]"},
	} {
		content := slices.Concat(first, c.behind)
		state, err := FindState(bytes.NewReader(content), int64(len(content)), FindOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var ids []uint64
		for _, kept := range state.Behind {
			ids = append(ids, kept.ID)
		}
		if got := fmt.Sprint(ids); got != c.want || state.Manifest.Epoch != 1 {
			t.Errorf("%s: behind epoch %d stand %s, want %s", c.name, state.Manifest.Epoch, got, c.want)
		}
	}
}

func TestManifestStart(t *testing.T) {
	t.Parallel()
	whole := &Manifest{
		Epoch: 7, Dimension: 3, Metric: Cosine, Deleted: []uint64{4, 5, 6}, HasIdentity: true,
		Directory: []DirectoryEntry{{1, 2, 3, TypeVec}, {4, 5, 6, TypeWitness}},
	}
	payload := whole.Encode()
	const directory = manifestFixedSize + 2*DirectoryEntrySize
	for length := range len(payload) + 1 {
		begun, complete := ParseManifestStart(payload[:length])
		if (begun != nil) != (length >= manifestFixedSize) || complete != (length >= directory) {
			t.Errorf("%d bytes: %+v, %t", length, begun, complete)
		}
		if begun != nil && (begun.Dimension != 3 || begun.Metric != Cosine || begun.Epoch != 7) {
			t.Errorf("%d bytes: %+v", length, begun)
		}
		if !complete {
			continue
		}
		if deleted := max(0, min(3, (length-directory-4)/8)); !slices.Equal(begun.Directory, whole.Directory) || !slices.Equal(begun.Deleted, whole.Deleted[:deleted]) {
			t.Errorf("%d bytes: %+v, want %d deleted ids", length, begun, deleted)
		}
	}
	huge := bytes.Clone(payload)
	binary.LittleEndian.PutUint32(huge[14:], math.MaxUint32)
	if _, complete := ParseManifestStart(huge); complete {
		t.Error("a directory of more entries than there are bytes is complete")
	}
}
