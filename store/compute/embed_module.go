package compute

import (
	"context"
	"errors"
	"fmt"
	"io"

	"rvffs/lineage"
	"rvffs/segments"
)

// WASMConfig says how a WebAssembly module is embedded.
type WASMConfig struct {
	// Header holds what the header is to say; version, sizes, hash and compression
	// are filled in. segments.DetectWASM tells what a module says of itself.
	Header segments.WASMHeader
	// Compress stores the module compressed with zstd if that saves a tenth.
	Compress bool
}

// EmbedWASM embeds a WebAssembly module of size bytes and commits. A module of the
// same role and target is replaced, others stay. Over the format's limit is
// ErrTooLarge.
func (s *Images) EmbedWASM(ctx context.Context, module io.ReaderAt, size int64, config WASMConfig) (epoch uint32, err error) {
	if epoch, err = s.embedder().placeWASM(ctx, module, size, config, nil); err != nil {
		return 0, fmt.Errorf("embed WASM module into store %q: %w", s.env.Name(), err)
	}
	return epoch, nil
}

func (s embedder) placeWASM(ctx context.Context, module io.ReaderAt, size int64, config WASMConfig, source *segments.DirectoryEntry) (epoch uint32, err error) {
	header := config.Header
	header.Compression = segments.CompressionNone
	e := &embedding{kind: segments.TypeWASM, image: module, size: size, source: source}
	if config.Compress {
		packed, failed := s.compress(ctx, e, segments.MaxWASM)
		if failed != nil {
			return 0, failed
		}
		if packed != nil {
			defer func() { err = errors.Join(err, packed.Close()) }()
			header.Compression = segments.CompressionZstd
		}
	}
	if err := refused(header.Problems()); err != nil {
		return 0, err
	}
	e.head = func(hash lineage.Hash) ([]byte, error) {
		header.Hash = hash
		head, err := segments.BuildWASM(header, size, e.size)
		return head[:], err
	}
	return s.embed(ctx, e)
}
