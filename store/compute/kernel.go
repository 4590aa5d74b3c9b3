package compute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// kernels are operating system kernels. One of the same architecture takes the place of
// another.
var kernels = &Kind{
	Type: segments.TypeKernel, Folder: kernelFolder, headerSize: segments.KernelHeaderSize,
	payloadLimit: segments.MaxKernelPrefix + segments.MaxKernelImage + segments.MaxKernelCmdline, trade: kernelTrade{},
}

// What is shown of a kernel.
const (
	kernelFolder = "kernel"

	PartKernelImage   Part = kernelFolder + "/image"
	PartKernelCmdline Part = kernelFolder + "/cmdline"
	PartKernelHeader  Part = kernelFolder + "/" + headerJSON
)

type kernelTrade struct{}

func (kernelTrade) parts() map[Part]partKind {
	return map[Part]partKind{
		PartKernelImage:   {limit: segments.MaxKernelImage, embed: embedder.putKernelImage},
		PartKernelCmdline: {limit: segments.MaxKernelCmdline, needsImage: true, embed: fromMemory(embedder.putKernelCmdline)},
		PartKernelHeader:  {limit: maxHeaderJSON, needsImage: true, embed: fromMemory(embedder.putKernelHeader)},
	}
}

func (kernelTrade) slot(prefix []byte) (any, error) {
	header, err := segments.ParseKernelHeader(prefix)
	return header.Architecture, err
}

// Kernel is one embedded kernel.
type Kernel struct {
	Embedded
	Header  segments.KernelHeader
	Binding *segments.KernelBinding // nil in the plain layout
	Cmdline state.View
}

func (kernelTrade) parse(_ context.Context, p payload, entry segments.DirectoryEntry) (image, error) {
	parsed, err := segments.ParseKernel(p.prefix, p.view.Size())
	if err != nil {
		return nil, err
	}
	kernel := &Kernel{Header: parsed.Header, Binding: parsed.Binding}
	if kernel.Cmdline, err = state.SubView(p.view, parsed.CmdlineOffset, parsed.CmdlineLength); err != nil {
		return nil, err
	}
	image, err := p.image(parsed.ImageOffset, parsed.ImageLength, parsed.Header.Compression, parsed.Header.ImageSize, segments.MaxKernelImage)
	if err != nil {
		return nil, err
	}
	kernel.Embedded, err = p.embedded(entry, image, parsed.Header.ImageHash)
	if err == nil {
		kernel.stored, err = state.SubView(p.view, parsed.ImageOffset, parsed.ImageLength)
	}
	return kernel, err
}

func (k *Kernel) label() string { return k.Header.Architecture.String() }

func (k *Kernel) problems() []string { return k.Header.Problems() }

func (k *Kernel) files() []state.NamedView {
	return []state.NamedView{{Name: PartKernelImage.file(), View: k.Image}, {Name: PartKernelCmdline.file(), View: k.Cmdline}}
}

// ExtractKernel finds the first kernel in directory order, or the first for one of
// the given architectures, and checks its hash. ErrNotFound means that there is
// none, ErrCorrupt that it cannot be read. An image that is not what its header
// says is no error: Integrity tells.
func (s *Images) ExtractKernel(ctx context.Context, architectures ...segments.KernelArchitecture) (*Kernel, error) {
	kernel, err := extract(ctx, s, kernels, func(k *Kernel) bool {
		return len(architectures) == 0 || slices.Contains(architectures, k.Header.Architecture)
	})
	if err != nil {
		return nil, fmt.Errorf("extract kernel from store %q: %w", s.env.Name(), err)
	}
	return kernel, nil
}

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
	e := &embedding{kind: kernels, image: kernel.image, size: kernel.size, first: kernel.config.First, source: source}
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
	if err := problemsError(header.Problems()); err != nil {
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

// putKernelImage embeds an image of which nothing is said but what it says itself.
// What was set of the kernel that it replaces stays, unless it is about the image.
func (s embedder) putKernelImage(ctx context.Context, image io.ReaderAt, size int64, options EmbedOptions) (uint32, error) {
	header, err := segments.DetectKernel(image, size)
	if err != nil {
		return 0, err
	}
	return s.onNewest(ctx, func(snapshot *state.Snapshot) (uint32, error) {
		config := KernelConfig{Header: header, Compress: options.Compress, First: true}
		source, err := replaceable(ctx, snapshot, kernels)
		if err != nil {
			return 0, err
		}
		found, err := findFirst(ctx, snapshot, kernels, func(k *Kernel) bool { return k.Header.Architecture == header.Architecture })
		if err == nil {
			if config, err = found.inherit(ctx, config); err != nil {
				return 0, err
			}
			source = &found.Entry
		} else if errors.Is(err, volume.ErrNotFound) || errors.Is(err, volume.ErrCorrupt) {
			err = nil
		}
		if err != nil {
			return 0, err
		}
		return s.placeKernel(ctx, newKernel{config: config, image: image, size: size}, source)
	})
}

// inherit takes over what was set of a kernel whose image is replaced: nothing, if
// that is damaged.
func (k *Kernel) inherit(ctx context.Context, config KernelConfig) (KernelConfig, error) {
	if err := k.intact(ctx); errors.Is(err, volume.ErrCorrupt) {
		return config, nil
	} else if err != nil {
		return config, err
	}
	cmdline, err := state.ViewContent(ctx, k.Cmdline)
	if err != nil {
		return config, err
	}
	const aboutImage = segments.KernelSigned | segments.KernelMeasured | segments.KernelAttestationReady |
		segments.KernelCompressed | segments.KernelRelocatable
	old, header := k.Header, &config.Header
	header.Flags |= old.Flags &^ aboutImage
	header.MinimumMemory, header.VirtualProcessors = old.MinimumMemory, old.VirtualProcessors
	header.Transport, header.Port, header.APIVersion = old.Transport, old.Port, old.APIVersion
	config.Cmdline = string(cmdline)
	return config, nil
}

// changeKernel embeds the first kernel anew after change has had its say. The image
// stays as it is stored.
func (s embedder) changeKernel(ctx context.Context, change func(kernel *Kernel, config *KernelConfig) error) (uint32, error) {
	return s.onNewest(ctx, func(snapshot *state.Snapshot) (uint32, error) {
		kernel, err := described[*Kernel](ctx, snapshot, kernels)
		if err != nil {
			return 0, err
		}
		cmdline, err := state.ViewContent(ctx, kernel.Cmdline)
		if err != nil {
			return 0, err
		}
		config := KernelConfig{Header: kernel.Header, Cmdline: string(cmdline)}
		if err := change(kernel, &config); err != nil {
			return 0, err
		}
		hash, err := kernel.newHash(ctx)
		if err != nil {
			return 0, err
		}
		return s.placeKernel(ctx, newKernel{
			config: config, binding: kernel.Binding, size: kernel.Image.Size(), stored: kernel.stored, hash: hash,
		}, &kernel.Entry)
	})
}

func (s embedder) putKernelCmdline(ctx context.Context, cmdline []byte) (uint32, error) {
	return s.changeKernel(ctx, func(_ *Kernel, config *KernelConfig) error {
		config.Cmdline = string(cmdline)
		return nil
	})
}

func (s embedder) putKernelHeader(ctx context.Context, document []byte) (uint32, error) {
	return s.changeKernel(ctx, func(kernel *Kernel, config *KernelConfig) error {
		return editKernel(document, kernel, &config.Header)
	})
}
