package conformance

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"rvffs/segments"
	"rvffs/store/volume"
)

// of is the type of the segments that are written here, where no other is given.
const of = segments.TypeSketch

// writer is a writer's turn with a store, and what it has published.
type writer struct {
	volume.Session
	t       *testing.T
	log     volume.Log
	version *volume.Version
	texts   []string // of the payloads that the version names
	open    []*draft
	sealed  []*draft // of the open and dropped ones, those that a commit of others may have ended
}

// draft is a segment in the making and what stands in it.
type draft struct {
	volume.Extent
	spec volume.ExtentSpec
	text string
}

// payload is what is to be found of a draft.
func (d *draft) payload() string {
	front := make([]byte, d.spec.Front)
	if d.spec.Seal != nil {
		front = d.spec.Seal(int64(len(d.text)))
	}
	return string(front) + d.text
}

// always begins a session whatever is found.
func always() volume.Beginning {
	return settling(func(*volume.Version, io.ReaderAt) error { return nil })
}

// settling begins a session in which the newest version and the bytes are judged.
func settling(settle func(newest *volume.Version, bytes io.ReaderAt) error) volume.Beginning {
	return volume.Beginning{
		Admit:  func(volume.FileInfo) error { return nil },
		Settle: func(newest *volume.Version, bytes volume.Bytes) error { return settle(newest, bytes) },
	}
}

// begin takes a turn with a store of which the texts are known.
func (l *logs) begin(log volume.Log, texts ...string) *writer {
	l.t.Helper()
	w := &writer{t: l.t, log: log, texts: texts}
	session, err := log.Session(l.t.Context(), settling(func(newest *volume.Version, _ io.ReaderAt) error {
		w.version = newest
		return nil
	}))
	must(l.t, err)
	w.Session = session
	w.standsOn(w.version)
	return w
}

// standsOn checks which version the session goes on from.
func (w *writer) standsOn(version *volume.Version) {
	w.t.Helper()
	if base := w.Base(); base != version {
		w.t.Errorf("the base is version %d, and the newest is %d", base.Number, version.Number)
	}
}

// end ends the turn.
func (w *writer) end() {
	w.t.Helper()
	must(w.t, w.End())
}

// extent begins a segment, of which nothing is written yet.
func (w *writer) extent(spec volume.ExtentSpec) *draft {
	spec.Type = cmp.Or(spec.Type, of)
	d := &draft{Extent: w.Extent(spec), spec: spec}
	w.open = append(w.open, d)
	return d
}

// draft begins a segment with some text.
func (w *writer) draft(text string) *draft {
	w.t.Helper()
	d := w.extent(volume.ExtentSpec{})
	w.more(d, text)
	return d
}

// more appends to a segment, and reports whether that was taken.
func (w *writer) more(d *draft, text string) bool {
	w.t.Helper()
	switch err := d.Write(context.Background(), []byte(text)); {
	case errors.Is(err, volume.ErrSealed):
		return false
	case err != nil:
		w.t.Fatal(err)
	}
	d.text += text
	return true
}

// drop gives a segment up.
func (w *writer) drop(d *draft) {
	w.Drop(d.Extent)
	w.open = slices.DeleteFunc(w.open, func(open *draft) bool { return open == d })
}

// commit is one of some segments, named in their order.
func (w *writer) commit(drafts ...*draft) volume.Commit {
	manifest := *w.version.State.Manifest
	manifest.Epoch++
	manifest.Directory = w.version.State.Named()
	c := volume.Commit{Stamp: 9, Manifest: &manifest}
	for _, d := range drafts {
		must(w.t, d.Settle(context.Background()))
		c.Parts = append(c.Parts, d.Extent)
		manifest.Directory = append(manifest.Directory, d.Entry())
	}
	return c
}

// publish publishes segments, which are open.
func (w *writer) publish(drafts ...*draft) {
	w.t.Helper()
	w.published(w.commit(drafts...), drafts...)
}

// published publishes a commit of segments and says that it went well.
func (w *writer) published(c volume.Commit, drafts ...*draft) {
	w.t.Helper()
	w.open = slices.DeleteFunc(w.open, func(open *draft) bool { return slices.Contains(drafts, open) })
	w.sealed = slices.DeleteFunc(w.sealed, func(sealed *draft) bool { return slices.Contains(drafts, sealed) })
	for _, open := range w.open {
		if !slices.Contains(w.sealed, open) {
			w.sealed = append(w.sealed, open)
		}
	}
	version, err := w.Publish(context.Background(), c)
	must(w.t, err)
	if version == w.version || version.Number <= w.version.Number || version.State.Manifest.Epoch != c.Manifest.Epoch {
		w.t.Errorf("version %d of epoch %d follows %d", version.Number, version.State.Manifest.Epoch, w.version.Number)
	}
	w.version = version
	w.standsOn(version)
	for _, d := range drafts {
		w.texts = append(w.texts, d.payload())
	}
	for _, small := range c.Small {
		w.texts = append(w.texts, string(small.Payload))
	}
}

// put publishes segments of these texts.
func (w *writer) put(texts ...string) {
	w.t.Helper()
	drafts := make([]*draft, len(texts))
	for i, text := range texts {
		drafts[i] = w.draft(text)
	}
	w.publish(drafts...)
}

// holds compares what this process has and what another finds with what was published.
func (l *logs) holds(w *writer) {
	l.t.Helper()
	shown(l.t, w.version, len(w.sealed), w.texts...)
	l.holdsAt(w.log.Name(), len(w.sealed), w.texts...)
}

// holdsAt compares what another process finds under a name with what is to be there.
func (l *logs) holdsAt(name string, unnamed int, texts ...string) {
	l.t.Helper()
	log, version := l.another().opened(name)
	shown(l.t, version, unnamed, texts...)
	_, err := log.Close()
	must(l.t, err)
}

// shown checks that the bytes of a version are those of segments one behind the other
// that end with its manifest, that what is named is what is to be there, and that besides
// that a walk finds no more than so many that could be taken for such.
func shown(t *testing.T, version *volume.Version, unnamed int, texts ...string) {
	t.Helper()
	bytes, unpin := pinned(t, version)
	defer unpin()
	if err := check(bytes, version.State, unnamed, texts); err != nil {
		t.Error(err)
	}
}

func check(bytes io.ReaderAt, known *segments.State, unnamed int, texts []string) error {
	found, err := segments.FindState(bytes, known.End, segments.FindOptions{})
	if err != nil {
		return err
	}
	if found.Segment != known.Segment || found.End != known.End || !found.Clean || !slices.Equal(found.Named(), known.Named()) {
		return fmt.Errorf("the state is said to be %+v, and a search finds %+v", known, found)
	}
	walked := map[int64]segments.Segment{}
	ids := map[uint64]bool{}
	walker := segments.NewWalker(bytes, 0, known.End)
	for walker.Next() {
		s := walker.Segment()
		if ids[s.ID] {
			return fmt.Errorf("two segments have the id %d", s.ID)
		}
		ids[s.ID], walked[s.Offset] = true, s
	}
	if walker.Err() != nil || !walker.Clean() || walker.End() != known.End {
		return fmt.Errorf("the walk ends at %d of %d, %v", walker.End(), known.End, walker.Err())
	}
	got := make([]string, 0, len(texts))
	for _, entry := range found.Named() {
		s, whole := walked[entry.Offset]
		if !whole || s.ID != entry.SegmentID || s.Type != entry.Type || s.PayloadLength != entry.PayloadLength {
			return fmt.Errorf("named is %+v, and there is %+v", entry, s)
		}
		payload := make([]byte, s.PayloadLength)
		if err := volume.ReadFull(bytes, payload, s.PayloadOffset()); err != nil {
			return err
		}
		if verdict, err := segments.VerifyPayload(s.Header, strings.NewReader(string(payload))); err != nil || verdict == segments.HashMismatch {
			return fmt.Errorf("the payload at %d is not what its hash says: %v, %w", s.Offset, verdict, err)
		}
		got = append(got, string(payload))
		delete(walked, entry.Offset)
	}
	if !slices.Equal(got, texts) {
		return fmt.Errorf("%d segments are found, %.200q, and %d were published, %.200q", len(got), got, len(texts), texts)
	}
	for _, s := range walked {
		if s.Type == of || s.Type.CountsByName() {
			unnamed--
		}
	}
	if unnamed < 0 {
		return errors.New("a segment that is not named can be found by a walk")
	}
	return nil
}

// lengthFirst is a front of four bytes: the length of what follows.
var lengthFirst = volume.ExtentSpec{Front: 4, Seal: func(body int64) []byte {
	return binary.LittleEndian.AppendUint32(nil, uint32(body))
}}

// fakeManifest is a whole manifest, with its header, of a state that never was.
func fakeManifest() string {
	image, _, err := volume.Lay(0, 3, 5, nil, &segments.Manifest{Epoch: 999, Dimension: 7})
	if err != nil {
		panic(err)
	}
	return string(image)
}
