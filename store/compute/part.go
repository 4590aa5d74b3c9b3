package compute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Part is a file by which something is embedded, by its path below the store's folder:
// the folder of a kind and a name in there. Those that describe an image need it to be
// there.
type Part string

// partKind is what becomes of the bytes of a part.
type partKind struct {
	limit      int64 // bytes
	needsImage bool  // there must be an image already
	embed      func(embedder, context.Context, io.ReaderAt, int64, EmbedOptions) (uint32, error)
}

// maxHeaderJSON bounds what is read of a header.json, in bytes.
const maxHeaderJSON = 64 << 10

// of is the kind of image that the part belongs to, and what becomes of its bytes.
func (p Part) of() (of *Kind, becomes partKind, known bool) {
	for _, kind := range Kinds {
		if becomes, known = kind.parts()[p]; known {
			return kind, becomes, true
		}
	}
	return nil, partKind{}, false
}

// Known reports whether there is such a part.
func (p Part) Known() bool {
	_, _, known := p.of()
	return known
}

// file is the part's name in the folder of its kind.
func (p Part) file() string { return path.Base(string(p)) }

// EmbedOptions say how images are stored.
type EmbedOptions struct {
	// Compress stores images compressed with zstd if that saves a tenth.
	Compress bool
	// Uncut refuses what leaves bytes out, until the stream is cut to nothing: they
	// would be those of the part that is there, which the stream does not have.
	Uncut bool
	// Failed is told why a stream has ended that is not embedded; nil is allowed. It is called
	// with the stream locked and must not call it.
	Failed func(origin state.Origin, err error)
}

// fromMemory hands a part on that is held in memory.
func fromMemory(put func(embedder, context.Context, []byte) (uint32, error)) func(embedder, context.Context, io.ReaderAt, int64, EmbedOptions) (uint32, error) {
	return func(s embedder, ctx context.Context, content io.ReaderAt, size int64, _ EmbedOptions) (uint32, error) {
		giveBack, err := s.env.Memory.Lend(ctx, 2*size) // it is taken apart, or copied
		if err != nil {
			return 0, err
		}
		defer giveBack()
		bytes := make([]byte, size)
		if err := volume.ReadFull(content, bytes, 0); err != nil {
			return 0, err
		}
		return put(s, ctx, bytes)
	}
}

// replaceable is the segment that is replaced even if nobody can read it: the only one of
// a kind that there is, if it is damaged.
func replaceable(ctx context.Context, snapshot *state.Snapshot, kind *Kind) (*segments.DirectoryEntry, error) {
	all := snapshot.OfType(kind.Type)
	if len(all) != 1 {
		return nil, nil
	}
	damaged := false
	err := kind.each(ctx, snapshot, func(_ segments.DirectoryEntry, _ image, err error) (bool, error) {
		damaged = err != nil
		return true, nil
	})
	if err != nil || !damaged {
		return nil, err
	}
	return &all[0], nil
}

// described is the image that is shown, which a part that describes it needs.
func described[I image](ctx context.Context, s *state.Snapshot, kind *Kind) (I, error) {
	found, err := findFirst(ctx, s, kind, anyImage[I])
	if errors.Is(err, volume.ErrNotFound) {
		err = errNoImage(kind)
	}
	return found, err
}

// errNoImage tells that a part describes nothing.
func errNoImage(kind *Kind) error {
	return fmt.Errorf("%w: there is no %s yet to which this could belong", volume.ErrInput, kind)
}

// newHash is the SHAKE-256 of an image, which must be what its header says.
func (e *Embedded) newHash(ctx context.Context) (lineage.Hash, error) {
	if err := e.intact(ctx); err != nil {
		return lineage.Hash{}, err
	}
	if err := e.Check(ctx); err != nil {
		return lineage.Hash{}, err
	}
	if err := e.Integrity.Err(); err != nil {
		return lineage.Hash{}, err
	}
	if e.Integrity == IntegritySHAKE256 {
		return e.hashed.hash, nil
	}
	reader, err := e.Image.Open(ctx)
	if err != nil {
		return lineage.Hash{}, err
	}
	hasher := lineage.NewShake256()
	err = volume.CopyRange(hasher, state.ReaderAt(ctx, reader), 0, e.Image.Size())
	return lineage.Hash(hasher.Sum(nil)), errors.Join(err, reader.Close())
}
