package compute

import (
	"context"
	"errors"
	"fmt"
	"io"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/state"
)

// KernelConfig says how a kernel is embedded.
type KernelConfig struct {
	// Header holds what the header is to say; version, sizes, offset, hash and
	// compression are filled in. segments.DetectKernel tells what an image says
	// of itself.
	Header  segments.KernelHeader
	Cmdline string
	// Compress stores the image compressed with zstd if that saves a tenth.
	Compress bool
	// First makes it the kernel that is extracted when nobody asks for an
	// architecture; else it comes behind those of other architectures, or takes
	// the place of the one that it replaces.
	First bool
}

// EmbedKernel embeds a kernel image of size bytes and commits. A kernel of the
// same architecture is replaced, others stay. An image, or a command line, over
// the limit is ErrTooLarge; a header with values that the format does not know is
// ErrInput.
func (s *Images) EmbedKernel(ctx context.Context, image io.ReaderAt, size int64, config KernelConfig) (epoch uint32, err error) {
	return s.embedKernel(ctx, image, size, config, nil)
}

// EmbedKernelWithBinding is EmbedKernel in the bound layout: the binding ties the
// kernel to a manifest and a policy.
func (s *Images) EmbedKernelWithBinding(ctx context.Context, image io.ReaderAt, size int64, config KernelConfig, binding segments.KernelBinding) (epoch uint32, err error) {
	return s.embedKernel(ctx, image, size, config, &binding)
}

func (s *Images) embedKernel(ctx context.Context, image io.ReaderAt, size int64, config KernelConfig, binding *segments.KernelBinding) (epoch uint32, err error) {
	epoch, err = s.embedder().placeKernel(ctx, newKernel{config: config, binding: binding, image: image, size: size}, nil)
	if err != nil {
		return 0, fmt.Errorf("embed kernel into store %q: %w", s.env.Name(), err)
	}
	return epoch, nil
}

// newKernel is a kernel to be embedded.
type newKernel struct {
	config  KernelConfig
	binding *segments.KernelBinding
	image   io.ReaderAt
	size    int64
	// stored is the image in the form that the header's compression says, of which
	// hash is known; nil: the image is to be stored as the configuration says.
	stored state.View
	hash   lineage.Hash
}

// placeKernel embeds a kernel in the place of source, if that is not nil, and of
// those of its architecture.
func (s embedder) placeKernel(ctx context.Context, kernel newKernel, source *segments.DirectoryEntry) (epoch uint32, err error) {
	header := kernel.config.Header
	e := &embedding{kind: segments.TypeKernel, image: kernel.image, size: kernel.size, first: kernel.config.First, source: source}
	switch {
	case kernel.stored != nil:
		reader, failed := kernel.stored.Open(ctx)
		if failed != nil {
			return 0, failed
		}
		defer func() { err = errors.Join(err, reader.Close()) }()
		e.image, e.size, e.hash = state.ReaderAt(ctx, reader), kernel.stored.Size(), &kernel.hash
	default:
		header.Compression = segments.CompressionNone
		if kernel.config.Compress {
			packed, failed := s.compress(ctx, e, segments.MaxKernelImage)
			if failed != nil {
				return 0, failed
			}
			if packed != nil {
				defer func() { err = errors.Join(err, packed.Close()) }()
				header.Compression = segments.CompressionZstd
			}
		}
	}
	if err := refused(header.Problems()); err != nil {
		return 0, err
	}
	e.head = func(hash lineage.Hash) ([]byte, error) {
		header.ImageHash = hash
		return segments.BuildKernelFront(header, kernel.binding, kernel.size, e.size, kernel.config.Cmdline)
	}
	if kernel.binding == nil {
		e.more = []byte(kernel.config.Cmdline)
	}
	return s.embed(ctx, e)
}
