package state

import (
	"context"
	"fmt"
	"io"

	"rvffs/store/volume"
)

// View is one read-only file made from a snapshot. Its bytes never change.
type View interface {
	// Size is the exact length in bytes.
	Size() int64
	// Open makes the view readable until Close, whatever becomes of the store.
	// It fails with ErrStale when the snapshot's file is gone. A view that has to
	// be made first ends that with ctx.
	Open(ctx context.Context) (Reader, error)
}

// Reader reads one view.
type Reader interface {
	// ReadContext fills p with the bytes from offset on, or tells why not: io.EOF only
	// at the view's end, ErrCorrupt when the store file became shorter. It ends with ctx.
	ReadContext(ctx context.Context, p []byte, offset int64) (int, error)
	io.Closer
}

// ReaderAt is a reader for those who cannot say for how long they want to read: they do
// until ctx ends.
func ReaderAt(ctx context.Context, reader Reader) io.ReaderAt { return boundReader{reader, ctx} }

type boundReader struct {
	reader Reader
	ctx    context.Context
}

func (b boundReader) ReadAt(p []byte, offset int64) (int, error) {
	return b.reader.ReadContext(b.ctx, p, offset)
}

// NamedView is a view with its file name.
type NamedView struct {
	Name string
	View View

	Extra bool // beside the first of its kind
}

// TextView is a view of text that was computed elsewhere.
func TextView(text []byte) View { return bytesView(text) }

// bytesView is a view that was computed whole.
type bytesView []byte

func (v bytesView) Size() int64                          { return int64(len(v)) }
func (v bytesView) Open(context.Context) (Reader, error) { return bytesReader(v), nil }

type bytesReader []byte

// ReadContext implements Reader, whatever becomes of ctx: it waits for nothing.
func (r bytesReader) ReadContext(_ context.Context, p []byte, offset int64) (int, error) {
	if offset < 0 || offset >= int64(len(r)) {
		return 0, io.EOF
	}
	n := copy(p, r[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (r bytesReader) Close() error { return nil }

// fileView is a run of the store file's own bytes.
type fileView struct {
	snapshot *Snapshot
	offset   int64
	length   int64
	whole    bool // of the whole file, dead bytes and all
}

func (v fileView) Size() int64 { return v.length }

func (v fileView) Open(ctx context.Context) (Reader, error) {
	use := Giving
	if v.whole {
		use = Copying
	}
	reading, err := v.snapshot.Open(ctx, use)
	if err != nil {
		return nil, err
	}
	return &fileReader{reading: reading, view: v}, nil
}

// fileReader reads a view of the file's own bytes.
type fileReader struct {
	reading *Reading
	view    fileView
}

// ReadContext implements Reader.
func (r *fileReader) ReadContext(ctx context.Context, p []byte, offset int64) (int, error) {
	if offset < 0 || offset >= r.view.length {
		return 0, io.EOF
	}
	wanted := p[:min(int64(len(p)), r.view.length-offset)]
	if err := volume.ReadFull(r.reading.During(ctx), wanted, r.view.offset+offset); err != nil {
		return 0, err
	}
	if len(wanted) < len(p) {
		return len(wanted), io.EOF
	}
	return len(wanted), nil
}

func (r *fileReader) Close() error { return r.reading.Close() }

// Part is the view of length bytes of the file; they must lie in what the
// snapshot commits.
func (s *Snapshot) Part(offset, length int64) (View, error) {
	if offset < 0 || length < 0 || length > s.Size() || offset > s.Size()-length {
		return nil, fmt.Errorf("%w: bytes %d to %d of a store of %d", volume.ErrCorrupt, offset, offset+length, s.Size())
	}
	return fileView{snapshot: s, offset: offset, length: length}, nil
}

// Raw is the store file up to the end of the commit.
func (s *Snapshot) Raw() View { return fileView{snapshot: s, length: s.Size(), whole: true} }

// ManifestBinary is the payload of the newest manifest.
func (s *Snapshot) ManifestBinary() (View, error) {
	return s.Part(s.state.Segment.PayloadOffset(), int64(s.state.Segment.PayloadLength))
}

// IdentityBinary is the store's identity as it stands on the disk: 68 bytes, or
// none in files from before identities were kept.
func (s *Snapshot) IdentityBinary() (View, error) {
	identity, known := s.Identity()
	if !known {
		return bytesView(nil), nil
	}
	encoded, err := identity.AppendBinary(nil)
	return bytesView(encoded), err
}
