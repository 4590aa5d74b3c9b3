package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/volume"
	"rvffs/store/volume/bucket/objects"
)

// stored is a store object as it was read, or is to be written. It does not change.
type stored struct {
	key  string
	tag  objects.Tag
	home string // the log that its extents get if it has none
	about
	line   line
	inline []byte // the store's bytes from the line's base on; nil of a plain object that is too large
	large  bool   // it is one
	long   *long  // what a large one is to be; nil where there is one
	moved  *moved // where the store went; nil: it is here
	state  *segments.State
}

// moved is what stands in front of a store object that was moved, or removed.
type moved struct {
	To   string `json:"to,omitempty"` // key
	When int64  `json:"when"`         // nanoseconds since 1970
	By   string `json:"by,omitempty"` // no two have it, so that the tag of a tombstone does not come back
	// Over is the tag of the spent tombstone that it is to replace; empty: nothing is there.
	Over  objects.Tag `json:"over,omitempty"`
	Spent bool        `json:"spent"` // nothing is left to do, and nothing follows
}

// spentSize is the length of a tombstone that is spent, by which it is told in a listing from
// what may be a store.
const spentSize = 97

// firstRead is how much of a store object is asked for at once: all of it, as a rule.
const firstRead = 512 << 10

// largestObject bounds what is taken for a store object of ours.
const largestObject = 256 << 20

// errMovedAway means that the store has another name by now, or none.
var errMovedAway = errors.New("the store was moved or removed")

// read reads a store object, unless its tag is the known one: then it fails with
// objects.ErrSame.
func (v *Volume) read(ctx context.Context, key string, known objects.Tag) (*stored, error) {
	found, err := v.get(ctx, key, objects.Read{Length: firstRead, NoneMatch: known})
	if err != nil {
		return nil, err
	}
	large := false
	if int64(len(found.Content)) < found.Size {
		if found.Metadata[metaEnd] != "" {
			return v.parseSettled(ctx, key, found)
		}
		ours := bytes.HasPrefix(found.Content, []byte(extentsMark)) || bytes.HasPrefix(found.Content, []byte(movedMark)) || found.Metadata[metaOf] != ""
		if ours && found.Size <= largestObject {
			rest, err := v.get(ctx, key, objects.Read{Offset: int64(len(found.Content)), Match: found.Tag})
			if err != nil {
				return nil, err
			}
			found.Content = append(found.Content, rest.Content...)
		} else {
			large = true
		}
	}
	s, err := v.parse(key, found, large)
	if err == nil {
		v.copiedAlong(ctx, s)
	}
	return s, err
}

// copiedAlong looks whether another program that has copied a store's object has also copied its
// extents, with all that is in a volume: then those are meant, for the others may go.
func (v *Volume) copiedAlong(ctx context.Context, s *stored) {
	along := v.logOf(path.Base(s.line.Log))
	if !s.copied() || len(s.line.Extents) == 0 || !strings.Contains(s.line.Log, "/") || s.line.Log == along {
		return
	}
	if _, err := v.get(ctx, v.logKey(along)+s.line.Extents[0].Name, objects.Read{Length: 1}); err == nil {
		s.line.Log = along
	}
}

// parse makes a store object of what was read.
func (v *Volume) parse(key string, found *objects.Object, large bool) (*stored, error) {
	s := &stored{key: key, tag: found.Tag, large: large}
	if large {
		s.about = foreign(key, found.Tag, parseAbout(key, found, v.owner()))
		s.Size, s.home = found.Size, v.logOf(s.ID)
		return s, nil
	}
	s.about = parseAbout(key, found, v.owner())
	s.home = v.logOf(s.ID)
	s.line.Horizon = horizonOf(found.Metadata)
	var to moved
	content, isMoved, err := cutLine(found.Content, movedMark, &to)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", volume.ErrNotStore, key, err)
	}
	if isMoved {
		s.moved = &to
	}
	inline, extended, err := cutLine(content, extentsMark, &s.line) // its own horizon, if there is one
	if err == nil && extended {
		err = s.line.check(int64(len(inline)))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", volume.ErrNotStore, key, err)
	}
	s.inline = inline
	s.Size = s.line.Base + int64(len(inline))
	return s, nil
}

// content is the object's bytes.
func (s *stored) content() []byte {
	content := s.inline
	if s.line.Log != "" {
		l := s.line
		l.Generation, l.Change = s.Generation, s.Change
		content = putLine(content, extentsMark, l)
	}
	switch {
	case s.moved == nil:
	case s.moved.Spent:
		content = putLine(nil, movedMark, s.moved)
		padding := bytes.Repeat([]byte(" "), max(0, spentSize-len(content)))
		content = slices.Insert(content, len(content)-1, padding...)
	default:
		content = putLine(content, movedMark, s.moved)
	}
	return content
}

// metadata are those of the object with this content.
func (s *stored) metadata(content []byte) objects.Metadata {
	meta := s.encode(s.key, content)
	if s.moved != nil {
		meta[metaMoved] = "yes"
	}
	if s.line.Log == "" && s.line.Horizon != "" {
		meta[metaHorizon] = s.line.Horizon
	}
	if s.large {
		delete(meta, metaChecksum)
		meta[metaEnd] = s.long.end
	}
	return meta
}

// next is what comes behind an object, as it is so far.
func (s *stored) next(now time.Time) *stored {
	n := *s
	n.tag, n.Modified, n.From = "", now, ""
	n.Change++
	n.line.Extents, n.line.Retired, n.line.Tickets = slices.Clone(s.line.Extents), slices.Clone(s.line.Retired), slices.Clone(s.line.Tickets)
	return &n
}

// same reports whether two objects show one state of one store, in the same bytes.
func (s *stored) same(other *stored) bool {
	return s == other || s.ID == other.ID && s.Generation == other.Generation && s.Mends == other.Mends && s.Size == other.Size && s.moved == nil && other.moved == nil &&
		s.state != nil && other.state != nil && s.state.Segment == other.state.Segment && s.state.End == other.state.End
}

// copied reports whether another program has put a line here that is of another object.
func (s *stored) copied() bool { return s.line.Log != "" && s.line.Owner != s.key }

// ofOthers reports whether the extents of its line are those of another store.
func (s *stored) ofOthers() bool { return s.copied() || path.Base(s.line.Log) != s.ID }

// log is where its own extents are, or come.
func (s *stored) log() string {
	if s.line.Log == "" || s.ofOthers() {
		return s.home
	}
	return s.line.Log
}

// find finds the newest state in a store object, and notes it there.
func (v *Volume) find(ctx context.Context, s *stored, budget *memory.Budget) error {
	if s.state != nil {
		return nil
	}
	if s.line.Log != "" {
		found, err := s.stated()
		s.state = found
		return err
	}
	charge := budget.Charge()
	defer charge.Free()
	reader := volume.Watch(ctx, &reader{v, v.layoutOf(s)})
	found, err := segments.FindState(reader, s.Size, segments.FindOptions{Memory: charge.Set})
	if errors.Is(err, segments.ErrNoManifest) {
		err = fmt.Errorf("%w: %w", volume.ErrNotStore, err)
	}
	s.state = found
	return err
}

// stated is the state of the manifest that the line tells of, which ends the store.
func (s *stored) stated() (*segments.State, error) {
	at := s.line.Manifest - s.line.Base
	header, err := segments.ParseHeader(s.inline[min(at, int64(len(s.inline))):])
	segment := segments.Segment{Header: header, Offset: s.line.Manifest}
	if err == nil && (header.Type != segments.TypeManifest || segment.End() != s.Size) {
		err = fmt.Errorf("what stands there is no manifest that ends the store")
	}
	var manifest *segments.Manifest
	if err == nil {
		payload := s.inline[at+segments.HeaderSize:]
		if verdict, bad := segments.VerifyPayload(header, bytes.NewReader(payload)); bad != nil || verdict == segments.HashMismatch {
			err = errors.Join(bad, errors.New("its hash is another one"))
		} else {
			manifest, err = segments.ParseManifest(payload)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w: the manifest at %d: %w", volume.ErrNotStore, volume.ErrCorrupt, s.line.Manifest, err)
	}
	return &segments.State{Dialect: segments.DialectRuntime, Manifest: manifest, Segment: segment, End: s.Size, Clean: true}, nil
}

// layoutOf says where a store's bytes are.
func (v *Volume) layoutOf(s *stored) *layout {
	l := &layout{inline: s.inline, base: s.line.Base, size: s.Size}
	at := int64(0)
	for _, e := range s.line.Extents {
		l.spans = append(l.spans, span{key: v.logKey(s.line.Log) + e.Name, at: at, length: e.Length, footer: true})
		at += e.Length
	}
	if s.large {
		l.base = s.Size
		l.spans = []span{{key: s.key, match: s.tag, length: s.Size}}
	}
	return l
}

// layout is where the bytes of a store are: in spans of objects that do not change, and the
// rest in memory. It does not change itself.
type layout struct {
	spans  []span // one behind the other
	inline []byte
	base   int64 // where those in memory begin
	size   int64
}

// span is a run of the store's bytes that begins an object.
type span struct {
	key        string
	match      objects.Tag // the object may be replaced, and then is another one
	at, length int64       // in the store
	footer     bool        // the object ends with one
}

// reader reads bytes of a layout.
type reader struct {
	volume *Volume
	*layout
}

// ReadAt implements io.ReaderAt.
func (r *reader) ReadAt(p []byte, offset int64) (n int, err error) {
	if offset < 0 {
		return 0, fmt.Errorf("%w: offset %d", volume.ErrInput, offset)
	}
	wanted := len(p)
	p = p[:max(0, min(int64(len(p)), r.size-offset))]
	first, _ := slices.BinarySearchFunc(r.spans, offset, func(s span, at int64) int {
		if s.at+s.length <= at {
			return -1
		}
		return 1
	})
	for _, s := range r.spans[first:] {
		if len(p) == n || s.at >= offset+int64(len(p)) {
			break
		}
		from := offset + int64(n) - s.at
		part := p[n:min(int64(len(p)), s.at+s.length-offset)]
		if err := r.volume.readSpan(s, part, from); err != nil {
			return n, err
		}
		n += len(part)
	}
	if n < len(p) {
		n += copy(p[n:], r.inline[offset+int64(n)-r.base:])
	}
	if n < wanted {
		return n, io.EOF
	}
	return n, nil
}

// Close implements volume.Bytes.
func (r *reader) Close() error { return nil }

// Describe implements volume.Bytes.
func (r *reader) Describe() (volume.FileInfo, error) { return volume.FileInfo{Size: r.size}, nil }
