package state

import (
	"context"
	"errors"

	"rvffs/segments"
	"rvffs/store/volume"
)

// Reading is a snapshot whose file is open for reading. A read ends with a context, has
// the segments checked that it is of, as far as its use asks for that, and fails where
// they are known to be damaged.
type Reading struct {
	snapshot *Snapshot
	file     volume.Bytes
	ctx      context.Context // of reads that have none of their own
	use      Use
	near     *nearbyFile // nil: every read is one of the file
}

// Use is what is read for, which says what the checks of content hashes have to do with
// it.
type Use uint8

const (
	// Judging: whoever reads makes out himself what the bytes are worth.
	Judging Use = iota
	// Looking: at the beginnings of segments, or at ids, as of a store that is listed.
	// Nothing of them is given out.
	Looking
	// Deciding: by ids, which vectors are live. That alone starts no check of all
	// vectors, but where nothing is given out unchecked it waits for them.
	Deciding
	// Giving: what is read is given out.
	Giving
	// Copying: the whole file is given out, with what no manifest names any more.
	Copying
)

// Open holds the snapshot's file open until Close. Reads without a context of their own
// end with ctx. ErrStale means that the file is gone.
func (s *Snapshot) Open(ctx context.Context, use Use) (*Reading, error) {
	file, err := s.source.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	return &Reading{snapshot: s, file: file, ctx: ctx, use: use}, nil
}

// With runs use with the snapshot while its file is held open.
func (s *Snapshot) With(ctx context.Context, what Use, use func(*Reading) error) error {
	reading, err := s.Open(ctx, what)
	if err != nil {
		return err
	}
	return errors.Join(use(reading), reading.Close())
}

// In is the snapshot in its file, which the caller holds open, to be judged. Reads end
// when those of the file do.
func (s *Snapshot) In(file volume.Bytes) *Reading {
	return &Reading{snapshot: s, file: file, ctx: context.Background(), use: Judging}
}

// Close gives the file back.
func (r *Reading) Close() error { return r.snapshot.source.Release() }

// Snapshot is what is read.
func (r *Reading) Snapshot() *Snapshot { return r.snapshot }

// Stat tells about the open file.
func (r *Reading) Stat() (volume.FileInfo, error) { return r.file.Describe() }

// During is the same for reads that end with ctx. It is open for as long as r.
func (r *Reading) During(ctx context.Context) *Reading {
	other := *r
	other.ctx = ctx
	return &other
}

// For is the same for another use. It is open for as long as r.
func (r *Reading) For(use Use) *Reading {
	other := *r
	other.use = use
	return &other
}

// Of is the same for another snapshot of the same bytes. It is open for as long as r.
func (r *Reading) Of(snapshot *Snapshot) *Reading {
	other := *r
	other.snapshot = snapshot
	return &other
}

// Through is the same by way of other bytes, made of these, which may take their time. It
// is open for as long as r.
func (r *Reading) Through(other func(volume.Bytes) volume.Bytes) *Reading {
	through := *r
	through.file, through.near = other(r.file), nil
	return &through
}

// ReadAt implements io.ReaderAt.
func (r *Reading) ReadAt(p []byte, offset int64) (int, error) { return r.ReadContext(r.ctx, p, offset) }

// ReadContext is ReadAt that ends with ctx.
func (r *Reading) ReadContext(ctx context.Context, p []byte, offset int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	checker := r.snapshot.source.checker
	if checker == nil || r.use == Judging {
		return r.read(p, offset)
	}
	touch, refuse := r.snapshot.Touch, r.snapshot.refuse
	if r.use == Copying {
		touch, refuse = r.snapshot.touchWhole, r.snapshot.refuseWhole
	}
	if r.use >= Giving || r.use == Deciding && checker.mode == VerifyFirst {
		if err := touch(ctx, offset, int64(len(p))); err != nil {
			return 0, err
		}
	}
	n, err := r.read(p, offset)
	if refused := refuse(offset, int64(n)); refused != nil {
		return 0, refused
	}
	return n, err
}

func (r *Reading) read(p []byte, offset int64) (n int, err error) {
	if r.near != nil {
		n, err = r.near.ReadAt(p, offset)
	} else {
		n, err = r.file.ReadAt(p, offset)
	}
	if late := segments.ShowAs(r.snapshot.countedByName(), r.file, p[:n], offset); late != nil {
		return 0, late
	}
	return n, err
}

// NextData implements segments.Sparse as far as the file does.
func (r *Reading) NextData(offset int64) int64 {
	if sparse, knows := r.file.(segments.Sparse); knows {
		return sparse.NextData(offset)
	}
	return offset
}

// Nearby is the same for one goroutine that reads small pieces of the file which stand
// close together.
func (r *Reading) Nearby() Nearby {
	near := *r
	near.near = &nearbyFile{Bytes: r.file}
	return Nearby{near: &near, far: r}
}

// Nearby reads segments of which many may be small.
type Nearby struct{ near, far *Reading }

// Of is the way to read the segment: by itself if it is large.
func (n Nearby) Of(entry segments.DirectoryEntry) *Reading {
	if entry.PayloadLength > nearbyPage {
		return n.far
	}
	return n.near
}
