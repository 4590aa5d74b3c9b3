package filelog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"rvffs/segments"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// of is the type of the segments that are written here.
const of = segments.TypeKernel

// desk is a writer's turn with a file in memory, and what was committed to it.
type desk struct {
	*filelog.Session
	t     testing.TB
	files *volumes.Files
	log   *filelog.Log
	texts []string
	early map[uint64]bool // ids of segments that got their headers with commits of others
}

// newDesk begins a session with a store without content.
func newDesk(t testing.TB) *desk {
	t.Helper()
	files := volumes.New()
	image, _, err := volume.Lay(0, 1, 1, nil, &segments.Manifest{Epoch: 1, Dimension: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := putFile(t, files, "a.rvf", image).Close(); err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, files: files, early: map[uint64]bool{}, log: filelog.New(filelog.Place{Files: files, Name: "a.rvf"}, volume.LogOptions{})}
	if _, err := d.log.Open(t.Context(), volume.Known{}); err != nil {
		t.Fatal(err)
	}
	session, err := d.log.Session(t.Context(), volume.Beginning{
		Admit:  func(volume.FileInfo) error { return nil },
		Settle: func(*volume.Version, volume.Bytes) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Session = session.(*filelog.Session)
	return d
}

// segment is one in the making and what stands in it.
type segment struct {
	*filelog.Extent
	text string
}

func (d *desk) begin(text string) *segment {
	s := &segment{Extent: d.Extent(volume.ExtentSpec{Type: of}).(*filelog.Extent)}
	d.more(s, text)
	return s
}

// more appends to a segment, and reports whether that was taken.
func (d *desk) more(s *segment, text string) bool {
	d.t.Helper()
	switch err := s.Write(context.Background(), []byte(text)); {
	case errors.Is(err, volume.ErrSealed):
		return false
	case err != nil:
		d.t.Fatal(err)
	}
	s.text += text
	return true
}

// commit is a commit of some segments.
func (d *desk) commit(parts ...*segment) volume.Commit {
	manifest := *d.Base().State.Manifest
	manifest.Epoch++
	manifest.Directory = d.Base().State.Named()
	c := volume.Commit{Stamp: 9, Manifest: &manifest}
	for _, part := range parts {
		if err := part.Settle(d.t.Context()); err != nil {
			d.t.Fatal(err)
		}
		c.Parts = append(c.Parts, part.Extent)
		manifest.Directory = append(manifest.Directory, part.Entry())
	}
	return c
}

func (d *desk) publish(parts ...*segment) {
	d.t.Helper()
	c := d.commit(parts...)
	for _, e := range d.Uncommitted() {
		if !slices.Contains(c.Parts, volume.Extent(e)) {
			d.early[e.ID()] = true
		}
	}
	if _, err := d.Publish(context.Background(), c); err != nil {
		d.t.Fatal(err)
	}
	for _, part := range parts {
		d.texts = append(d.texts, part.text)
	}
}

// holds compares what a new reader finds with what was committed: all up to the manifest
// are whole segments one behind the other, what is named is what was written, and
// nothing else can be taken for a segment that counts.
func (d *desk) holds() {
	d.t.Helper()
	content := d.files.Content("a.rvf")
	for _, e := range d.Extents() {
		if e.Headed() || e.Offset()+segments.HeaderSize > int64(len(content)) {
			continue
		}
		if header := content[e.Offset():][:segments.HeaderSize]; !bytes.Equal(header, make([]byte, segments.HeaderSize)) {
			d.t.Errorf("the header of what is not committed reads %q", header)
		}
	}
	if err := holds(content, d.texts, d.early); err != nil {
		d.t.Error(err)
	}
}

func holds(content []byte, texts []string, early map[uint64]bool) error {
	file := volumes.New()
	opened, err := file.Create("copy", 0o644)
	if err == nil {
		_, err = opened.WriteAt(content, 0)
	}
	if err != nil {
		return err
	}
	found, err := segments.FindState(opened, int64(len(content)), segments.FindOptions{})
	if err != nil {
		return err
	}
	walker := segments.NewWalker(opened, 0, found.End)
	payloads := map[int64][]byte{}
	for walker.Next() {
		s := walker.Segment()
		payload := content[s.PayloadOffset():s.End()]
		check := segments.NewPayloadCheck(s.Header)
		_, _ = check.Write(payload)
		if check.Verdict() != segments.HashMismatch {
			payloads[s.Offset] = payload
		}
	}
	if walker.Err() != nil || walker.End() != found.End {
		return fmt.Errorf("the walk ends at %d of %d: %v", walker.End(), found.End, walker.Err())
	}
	named := map[int64]bool{}
	for _, entry := range found.Named() {
		named[entry.Offset] = true
	}
	walker = segments.NewWalker(opened, 0, found.End)
	ids := map[uint64]bool{}
	for walker.Next() {
		s := walker.Segment()
		if s.Type == of && !named[s.Offset] && !early[s.ID] {
			return fmt.Errorf("the dead segment at %d can be found by its header", s.Offset)
		}
		if ids[s.ID] {
			return fmt.Errorf("two segments have the id %d", s.ID)
		}
		ids[s.ID] = true
	}
	var got []string
	for _, entry := range found.Named() {
		payload, whole := payloads[entry.Offset]
		if !whole || uint64(len(payload)) != entry.PayloadLength {
			return fmt.Errorf("%+v is named and not there, or damaged", entry)
		}
		got = append(got, string(payload))
	}
	if !slices.Equal(got, texts) {
		return fmt.Errorf("%d segments are found, %.200q, and %d were committed, %.200q", len(got), got, len(texts), texts)
	}
	return nil
}

// fakeManifest is a whole manifest, with its header, of a state that never was.
func fakeManifest() string {
	image, _, err := volume.Lay(0, 3, 5, nil, &segments.Manifest{Epoch: 999, Dimension: 7})
	if err != nil {
		panic(err)
	}
	return string(image)
}
