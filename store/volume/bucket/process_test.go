package bucket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"rvffs/segments"
	"rvffs/store/volume"
	"rvffs/store/volume/bucket/memory"
)

// process is one that has a store open.
type process struct {
	t       testing.TB
	volume  *Volume
	log     *Log
	session volume.Session
}

// content is a store of a dimension with nothing in it.
func content(t testing.TB, dimension uint16) []byte {
	t.Helper()
	image, _, err := volume.Lay(0, 1, 1, nil, &segments.Manifest{Epoch: 1, Dimension: dimension})
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// create makes a store.
func create(t testing.TB, objects *memory.Bucket, options Options, name string) {
	t.Helper()
	v := Open(objects, looking(options))
	if err := errors.Join(v.Shelf().Create(t.Context(), name, content(t, 2), 0o644), v.Close()); err != nil {
		t.Fatal(err)
	}
}

// open opens a store as another process does.
func open(t testing.TB, objects *memory.Bucket, options Options, name string) *process {
	t.Helper()
	p := &process{t: t, volume: Open(objects, looking(options))}
	p.log = p.volume.Shelf().Log(name, volume.LogOptions{}).(*Log)
	if _, err := p.log.Open(context.Background(), volume.Known{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := p.log.Close()
		if err = errors.Join(err, p.volume.Close()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// begin takes a turn.
func (p *process) begin() {
	p.t.Helper()
	if err := p.tryBegin(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) tryBegin() (err error) {
	p.session, err = p.log.Session(context.Background(), volume.Beginning{
		Admit:  func(volume.FileInfo) error { return nil },
		Settle: func(*volume.Version, volume.Bytes) error { return nil },
	})
	return err
}

func (p *process) end() {
	p.t.Helper()
	if err := p.session.End(); err != nil {
		p.t.Error(err)
	}
}

// extent begins a segment with some text, of a kernel where it begins like one.
func (p *process) extent(text string) volume.Extent {
	kind := segments.TypeSketch
	if strings.HasPrefix(text, "NKVR") {
		kind = segments.TypeKernel
	}
	e := p.session.Extent(volume.ExtentSpec{Type: kind})
	if err := e.Write(context.Background(), []byte(text)); err != nil {
		p.t.Error(err)
	}
	return e
}

// commit commits segments, on whatever is the newest.
func (p *process) commit(parts ...volume.Extent) (*volume.Version, error) {
	for {
		version, err := p.publish(parts...)
		if !errors.Is(err, volume.ErrMoved) {
			return version, err
		}
	}
}

// publish tries it once.
func (p *process) publish(parts ...volume.Extent) (*volume.Version, error) {
	manifest := *p.session.Base().State.Manifest
	manifest.Epoch++
	manifest.Directory = p.session.Base().State.Named()
	for _, e := range parts {
		if err := e.Settle(context.Background()); err != nil {
			return nil, err
		}
		manifest.Directory = append(manifest.Directory, e.Entry())
	}
	return p.session.Publish(context.Background(), volume.Commit{Stamp: 7, Parts: parts, Manifest: &manifest})
}

// put commits a text in a turn of its own.
func (p *process) put(text string) error {
	if err := p.tryBegin(); err != nil {
		return err
	}
	_, err := p.commit(p.extent(text))
	return errors.Join(err, p.session.End())
}

// texts are the payloads that the newest version names.
func (p *process) texts() ([]string, error) {
	version, err := p.log.refresh(context.Background())
	if err != nil {
		return nil, err
	}
	return textsOf(version)
}

func textsOf(version *volume.Version) (texts []string, err error) {
	pinned, err := version.Generation.Pin(context.Background())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, version.Generation.Unpin()) }()
	found, err := segments.FindState(pinned, version.State.End, segments.FindOptions{})
	if err != nil {
		return nil, err
	}
	if found.Segment != version.State.Segment || found.End != version.State.End || !found.Clean {
		return nil, fmt.Errorf("the state is said to be %+v, and a search finds %+v", version.State, found)
	}
	for _, entry := range found.Named() {
		payload := make([]byte, entry.PayloadLength)
		if err := volume.ReadFull(pinned, payload, entry.Offset+segments.HeaderSize); err != nil {
			return nil, err
		}
		header, err := segments.ParseHeader(read(pinned, entry.Offset, segments.HeaderSize))
		if err != nil {
			return nil, err
		}
		if verdict, err := segments.VerifyPayload(header, bytes.NewReader(payload)); err != nil || verdict == segments.HashMismatch {
			return nil, fmt.Errorf("the payload at %d: %v, %w", entry.Offset, verdict, err)
		}
		texts = append(texts, string(payload))
	}
	return texts, nil
}

func read(from interface {
	ReadAt([]byte, int64) (int, error)
}, offset, length int64) []byte {
	p := make([]byte, length)
	n, _ := from.ReadAt(p, offset)
	return p[:n]
}

// assembled is a store as it is put together by hand.
func assembled(t testing.TB, objects *memory.Bucket, key string) []byte {
	t.Helper()
	content := objects.Content(key)
	first, rest, found := strings.Cut(string(content), "\n")
	text, extended := strings.CutPrefix(first, "#rvffs-extents 1 ")
	if !found || !extended {
		return content
	}
	var line struct {
		Log     string  `json:"log"`
		Extents [][]any `json:"extents"`
	}
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		t.Fatal(err)
	}
	var whole []byte
	for _, e := range line.Extents {
		whole = append(whole, objects.Content(line.Log + "/" + e[0].(string))[:int(e[1].(float64))]...)
	}
	return append(whole, rest...)
}
