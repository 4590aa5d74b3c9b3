package log_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store/log"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// storeName is the name of the file of all tests.
const storeName = "a.rvf"

// of is the type of the segments that are written here: nobody merges them, nobody keeps
// them who finds them behind a manifest, and nothing is known of what is in them.
const of = segments.TypeKernel

// lone is a log that belongs to no store.
type lone struct {
	*log.Log
	file *filelog.Log
	head *state.Head

	mu    sync.Mutex
	shown []uint32 // epochs of the states that others were told of
}

// setting says how a log is made.
type setting struct {
	sync        func(filelog.File) error
	environment func(*log.Environment)
}

// newFiles holds a store without content.
func newFiles(t testing.TB) *volumes.Files {
	t.Helper()
	files := volumes.New()
	image, _, err := volume.Lay(0, 1, 1, nil, &segments.Manifest{Epoch: 1, Dimension: 2})
	if err == nil {
		var file filelog.File
		if file, err = files.Create(storeName, 0o644); err == nil {
			_, err = file.WriteAt(image, 0)
			err = errors.Join(err, file.SyncData(), file.Close(), files.SyncDirectory(storeName))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// openLone opens the log of a store.
func openLone(files filelog.FileSystem, how setting) (*lone, error) {
	if how.sync != nil {
		files = syncedFiles{files, how.sync}
	}
	l := &lone{file: filelog.New(filelog.Place{Files: files, Name: storeName}, volume.LogOptions{Wait: -1})}
	version, err := l.file.Open(context.Background(), volume.Known{})
	if err != nil {
		return nil, err
	}
	l.head = state.NewHead(l.file, version, nil, state.BackingOptions{})
	environment := log.Environment{
		File: l.file, Head: l.head, Writable: func(ctx context.Context, s *state.Snapshot) error { return s.Writable(ctx) }, Clock: time.Now,
		Keep: func(context.Context, volume.Bytes, *state.Snapshot) error { return nil },
		Published: func(s *state.Snapshot) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.shown = append(l.shown, s.Epoch())
		},
	}
	if how.environment != nil {
		how.environment(&environment)
	}
	l.Log = log.New(environment)
	return l, nil
}

// newLone is a log of a store without content.
func newLone(t testing.TB, how setting) (*volumes.Files, *lone) {
	t.Helper()
	files := newFiles(t)
	l, err := openLone(files, how)
	if err != nil {
		t.Fatal(err)
	}
	return files, l
}

// begin takes part in the log's session.
func (l *lone) begin(t testing.TB) *log.Session {
	t.Helper()
	s, err := l.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// published are the epochs that others were told of.
func (l *lone) published() []uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.shown)
}

// end leaves a session.
func end(t testing.TB, sessions ...*log.Session) {
	t.Helper()
	for _, s := range sessions {
		if err := s.End(); err != nil {
			t.Fatal(err)
		}
	}
}

// write begins a segment with these bytes.
func write(t testing.TB, s *log.Session, text string) volume.Extent {
	t.Helper()
	e := s.Extent(volume.ExtentSpec{Type: of})
	more(t, e, text)
	return e
}

// more appends to one.
func more(t testing.TB, e volume.Extent, text string) {
	t.Helper()
	if err := e.Write(context.Background(), []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// commit commits segments.
func commit(t testing.TB, s *log.Session, extents ...volume.Extent) uint32 {
	t.Helper()
	epoch, err := s.Commit(t.Context(), log.Change{Added: extents})
	if err != nil {
		t.Fatal(err)
	}
	return epoch
}

// put commits a segment of these bytes.
func put(t testing.TB, s *log.Session, text string) { commit(t, s, write(t, s, text)) }

// bodies reads what a new reader finds in the store: the payloads that its manifest names,
// in order, and how many segments it holds besides that nobody names. Everything up to
// the manifest has to be whole segments one behind the other, those that it names with their
// own types unless they were retired for a commit that was not made, and every reader has to
// take the same manifest for the newest.
func bodies(files filelog.FileSystem) (texts []string, dead int, err error) {
	file, err := files.Open(storeName, false)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Describe()
	if err != nil {
		return nil, 0, err
	}
	found, err := segments.FindState(file, info.Size, segments.FindOptions{})
	if err != nil {
		return nil, 0, err
	}
	met := map[segments.DirectoryEntry]bool{}
	walker := segments.NewWalker(file, 0, found.End)
	for walker.Next() {
		met[state.EntryOf(walker.Segment())] = true
	}
	if walker.Err() != nil || walker.End() != found.End {
		return nil, 0, fmt.Errorf("the walk ends at %d of %d: %w", walker.End(), found.End, errors.Join(walker.Err(), errors.New("no segment")))
	}
	for _, entry := range found.Named() {
		retired, err := segments.WasRetired(file, entry)
		if err != nil {
			return nil, 0, err
		}
		if !met[entry] && !retired {
			return nil, 0, fmt.Errorf("%+v is named and not met on the walk", entry)
		}
		payload, err := payloadOf(file, entry)
		if err != nil {
			return nil, 0, err
		}
		if entry.Type != segments.TypeWitness {
			texts = append(texts, string(payload))
		}
		delete(met, entry)
	}
	for entry := range met {
		if entry.Type == of || entry.Type == segments.TypeVec {
			dead++
		}
	}
	content := make([]byte, info.Size)
	if _, err := file.ReadAt(content, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	return texts, dead, believed(content, found)
}

// believed fails unless the last bytes that the reference runtime takes for a manifest are
// those of a state, or state it again.
func believed(content []byte, found *segments.State) error {
	for at := len(content) - segments.HeaderSize; at >= 0; at-- {
		if segments.LooksLikeManifest(content[at:min(at+6, len(content))]) != 0 {
			continue
		}
		header, err := segments.ParseHeader(content[at:])
		var theirs *segments.Manifest
		if err == nil {
			payload := content[at+segments.HeaderSize:]
			theirs, err = segments.ParseManifest(payload[:min(uint64(len(payload)), header.PayloadLength)])
		}
		if err != nil {
			return fmt.Errorf("other readers take offset %d for a manifest: %w", at, err)
		}
		if theirs.Epoch != found.Manifest.Epoch || !slices.Equal(theirs.Directory, found.Manifest.Directory) {
			return fmt.Errorf("other readers take the manifest of epoch %d at %d for the newest, it is that of %d", theirs.Epoch, at, found.Manifest.Epoch)
		}
		return nil
	}
	return errors.New("other readers find no manifest")
}

// payloadOf reads a segment and checks its hash.
func payloadOf(file io.ReaderAt, entry segments.DirectoryEntry) ([]byte, error) {
	segment, err := state.ReadHeader(file, entry)
	if err != nil {
		return nil, err
	}
	payload := make([]byte, entry.PayloadLength)
	if err := volume.ReadFull(file, payload, segment.PayloadOffset()); err != nil {
		return nil, err
	}
	check := segments.NewPayloadCheck(segment.Header)
	_, _ = check.Write(payload)
	if check.Verdict() == segments.HashMismatch {
		return nil, fmt.Errorf("the payload at %d is not what its hash says", entry.Offset)
	}
	return payload, nil
}

// holds checks what a new reader finds.
func holds(t testing.TB, files filelog.FileSystem, want ...string) {
	t.Helper()
	texts, _, err := bodies(files)
	if err != nil {
		t.Error(err)
	}
	if !slices.Equal(texts, want) {
		t.Errorf("found %q, want %q", texts, want)
	}
}

// unchanged checks that the committed bytes are what they were, and no lock is left.
func unchanged(t testing.TB, files *volumes.Files, before []byte) {
	t.Helper()
	if after := files.Content(storeName); !bytes.Equal(after, before) {
		t.Errorf("the file changed, from %d to %d bytes", len(before), len(after))
	}
	if _, left := files.Names[storeName+".lock"]; left {
		t.Error("the lock is left behind")
	}
}

// syncedFiles are files that are synced as a test likes.
type syncedFiles struct {
	filelog.FileSystem
	sync func(filelog.File) error
}

func (f syncedFiles) Open(name string, write bool) (filelog.File, error) {
	file, err := f.FileSystem.Open(name, write)
	if err != nil {
		return nil, err
	}
	return syncedFile{file, f.sync}, nil
}

type syncedFile struct {
	filelog.File
	sync func(filelog.File) error
}

func (f syncedFile) SyncData() error { return f.sync(f.File) }
