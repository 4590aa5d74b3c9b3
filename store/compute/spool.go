package compute

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"rvffs/lineage"
	"rvffs/store/spool"
	"rvffs/store/volume"
)

func (s *Images) newSpool() *spool.Spool { return spool.New(s.env.Memory, s.env.Spool) }

// compress puts the image of an embedding into a spool, compressed with zstd, and
// makes it what is embedded. The spool must be closed after that. It is nil where
// the embedding stays as it is: when less than a tenth would be saved, or the image
// is over the limit, in bytes, and not worth a try.
func (s *Images) compress(ctx context.Context, e *embedding, limit int64) (*spool.Spool, error) {
	image, size := e.image, e.size
	if size <= 0 || size > limit {
		return nil, nil
	}
	giveBack, err := s.env.Memory.Lend(ctx, packMemory)
	if err != nil {
		return nil, err
	}
	defer giveBack()
	packed := s.newSpool()
	hash, err := pack(ctx, packed.Writer(ctx), image, size)
	if err == nil && packed.Size() <= size-(size+9)/10 {
		e.image, e.size, e.hash = packed, packed.Size(), &hash
		return packed, nil
	}
	return nil, errors.Join(err, packed.Close())
}

const (
	packWindow = 8 << 20        // bytes; every decoder takes so much
	packMemory = 3 * packWindow // bytes that packing takes: the window twice, and tables
)

// pack writes a compressed image, and gives the hash of that for which it stands.
func pack(ctx context.Context, to io.Writer, image io.ReaderAt, size int64) (lineage.Hash, error) {
	encoder, err := zstd.NewWriter(to, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(packWindow), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return lineage.Hash{}, err
	}
	hasher := lineage.NewShake256()
	sink := io.MultiWriter(encoder, hasher)
	known, beside := image.(*arriving)
	if beside = beside && known.hashed(); beside {
		sink = encoder
	}
	source := &pieces{reader: image, size: size}
	read, err := io.CopyBuffer(volume.WatchWriter(ctx, sink), struct{ io.Reader }{source}, make([]byte, imagePiece))
	if err == nil && read != size {
		err = fmt.Errorf("%w: the image ends after %d of %d bytes", volume.ErrInput, read, size)
	}
	hash := lineage.Hash(hasher.Sum(nil))
	if err == nil && beside {
		hash, err = known.hash(ctx)
	}
	return hash, errors.Join(err, encoder.Close())
}
