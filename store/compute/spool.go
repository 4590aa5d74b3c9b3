package compute

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"rvffs/lineage"
	"rvffs/store/volume"
)

// spool is where an image waits until it is complete. Whatever happens, nothing of it stays.
type spool struct {
	file volume.Spool
	size int64
	hash lineage.Hash // of the image that a compressed spool stands for
}

func (s *Images) newSpool(ctx context.Context) (*spool, error) {
	file, err := s.env.Spool(ctx)
	if err != nil {
		return nil, err
	}
	return &spool{file: file}, nil
}

// Write appends.
func (s *spool) Write(p []byte) (int, error) {
	if err := s.writeAt(p, s.size); err != nil {
		return 0, err
	}
	return len(p), nil
}

// writeAt writes to a place, before which there may be a hole: it reads as zeros.
func (s *spool) writeAt(p []byte, offset int64) error {
	if _, err := s.file.WriteAt(p, offset); err != nil {
		return volume.WriteError(err, len(p), offset)
	}
	s.size = max(s.size, offset+int64(len(p)))
	return nil
}

// cut gives it a length: what is behind is gone, or reads as zeros.
func (s *spool) cut(size int64) error {
	s.size = size
	return s.file.SetLength(size)
}

func (s *spool) Close() error { return s.file.Close() }

// compress puts the image of an embedding into a spool, compressed with zstd, and
// makes it what is embedded. The spool must be closed after that. It is nil where
// the embedding stays as it is: when less than a tenth would be saved, or the image
// is over the limit, in bytes, and not worth a try.
func (s *Images) compress(ctx context.Context, e *embedding, limit int64) (*spool, error) {
	image, size := e.image, e.size
	if size <= 0 || size > limit {
		return nil, nil
	}
	giveBack, err := s.env.Memory.Lend(ctx, packMemory)
	if err != nil {
		return nil, err
	}
	defer giveBack()
	packed, err := s.newSpool(ctx)
	if err != nil {
		return nil, err
	}
	err = packed.pack(ctx, image, size)
	if err == nil && packed.size <= size-(size+9)/10 {
		e.image, e.size, e.hash = packed.file, packed.size, &packed.hash
		return packed, nil
	}
	return nil, errors.Join(err, packed.Close())
}

const (
	packWindow = 8 << 20        // bytes; every decoder takes so much
	packMemory = 3 * packWindow // bytes that packing takes: the window twice, and tables
)

// pack fills the spool.
func (s *spool) pack(ctx context.Context, image io.ReaderAt, size int64) error {
	encoder, err := zstd.NewWriter(s, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(packWindow), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return err
	}
	hasher := lineage.NewShake256()
	source := &pieces{reader: image, size: size}
	read, err := io.CopyBuffer(volume.WatchWriter(ctx, io.MultiWriter(encoder, hasher)), struct{ io.Reader }{source}, make([]byte, imagePiece))
	if err == nil && read != size {
		err = fmt.Errorf("%w: the image ends after %d of %d bytes", volume.ErrInput, read, size)
	}
	s.hash = lineage.Hash(hasher.Sum(nil))
	return errors.Join(err, encoder.Close())
}
