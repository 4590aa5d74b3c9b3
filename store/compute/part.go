package compute

import (
	"context"
	"errors"
	"fmt"
	"io"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Part is a file by which something is embedded, by its path below the
// store's folder.
type Part string

// The parts that can be written. Those that describe another one need it to be
// there.
const (
	PartKernelImage   Part = "kernel/image"
	PartKernelCmdline Part = "kernel/cmdline"
	PartKernelHeader  Part = "kernel/header.json"
	PartEBPFProgram   Part = "ebpf/program.o"
	PartEBPFTypes     Part = "ebpf/btf"
	PartEBPFHeader    Part = "ebpf/header.json"
	PartWASMModule    Part = "wasm/module.wasm"
	PartWASMHeader    Part = "wasm/header.json"
)

// partKind is what becomes of the bytes of a part.
type partKind struct {
	limit int64         // bytes
	needs segments.Type // must be there already; 0: nothing
	embed func(embedder, context.Context, io.ReaderAt, int64, EmbedOptions) (uint32, error)
}

// maxHeaderJSON bounds what is read of a header.json, in bytes.
const maxHeaderJSON = 64 << 10

var embedParts = map[Part]partKind{
	PartKernelImage:   {segments.MaxKernelImage, 0, embedder.putKernelImage},
	PartKernelCmdline: {segments.MaxKernelCmdline, segments.TypeKernel, small(embedder.putKernelCmdline)},
	PartKernelHeader:  {maxHeaderJSON, segments.TypeKernel, small(embedder.putKernelHeader)},
	PartEBPFProgram:   {segments.MaxEBPF, 0, embedder.putEBPFProgram},
	PartEBPFTypes:     {segments.MaxEBPF, segments.TypeEBPF, small(embedder.putEBPFTypes)},
	PartEBPFHeader:    {maxHeaderJSON, segments.TypeEBPF, small(embedder.putEBPFHeader)},
	PartWASMModule:    {segments.MaxWASM, 0, embedder.putWASMModule},
	PartWASMHeader:    {maxHeaderJSON, segments.TypeWASM, small(embedder.putWASMHeader)},
}

// Known says whether there is such a part.
func (p Part) Known() bool {
	_, known := embedParts[p]
	return known
}

// EmbedOptions say how images are stored.
type EmbedOptions struct {
	// Compress stores images compressed with zstd if that saves a tenth.
	Compress bool
	// Uncut refuses what leaves bytes out, until the stream is cut to nothing: they
	// would be those of the part that is there, which the stream does not have.
	Uncut bool
}

// small hands a part on that is held in memory.
func small(put func(embedder, context.Context, []byte) (uint32, error)) func(embedder, context.Context, io.ReaderAt, int64, EmbedOptions) (uint32, error) {
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

// putKernelImage embeds an image of which nothing is said but what it says itself.
// What was set of the kernel that it replaces stays, unless it is about the image.
func (s embedder) putKernelImage(ctx context.Context, image io.ReaderAt, size int64, options EmbedOptions) (uint32, error) {
	header, err := segments.DetectKernel(image, size)
	if err != nil {
		return 0, err
	}
	return s.onNewest(ctx, func(snapshot *state.Snapshot) (uint32, error) {
		config := KernelConfig{Header: header, Compress: options.Compress, First: true}
		source, err := replaceable(ctx, snapshot, segments.TypeKernel)
		if err != nil {
			return 0, err
		}
		found, err := first(ctx, snapshot, segments.TypeKernel, kernelOf, func(k *Kernel) bool { return k.Header.Architecture == header.Architecture })
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

// replaceable is the segment of a type that is replaced even if nobody can read it: the
// only one there is, if it is damaged.
func replaceable(ctx context.Context, snapshot *state.Snapshot, kind segments.Type) (*segments.DirectoryEntry, error) {
	all := snapshot.OfType(kind)
	if len(all) != 1 {
		return nil, nil
	}
	damaged := false
	err := eachReadable(ctx, snapshot, kind, func(_ segments.DirectoryEntry, err error) { damaged = err != nil })
	if err != nil || !damaged {
		return nil, err
	}
	return &all[0], nil
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
		kernel, err := described(ctx, snapshot, segments.TypeKernel, kernelOf)
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

// described is the first segment of a type, which a part that describes it needs.
func described[T any](ctx context.Context, s *state.Snapshot, kind segments.Type, parse func(context.Context, payload, segments.DirectoryEntry) (*T, error)) (*T, error) {
	found, err := first(ctx, s, kind, parse, func(*T) bool { return true })
	if errors.Is(err, volume.ErrNotFound) {
		return nil, fmt.Errorf("%w: there is no %s yet to which this could belong", volume.ErrInput, kind)
	}
	return found, err
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

// putEBPFProgram embeds a program of which nothing is said but what it says itself.
// Type information belongs to one program, and goes with it.
func (s embedder) putEBPFProgram(ctx context.Context, program io.ReaderAt, size int64, _ EmbedOptions) (uint32, error) {
	header, err := segments.DetectEBPF(program, size)
	if err != nil {
		return 0, err
	}
	return s.onNewest(ctx, func(snapshot *state.Snapshot) (uint32, error) {
		source, err := replaceable(ctx, snapshot, segments.TypeEBPF)
		if err != nil {
			return 0, err
		}
		header.MaxDimension = uint16(snapshot.Dimension())
		return s.placeEBPF(ctx, program, size, nil, EBPFConfig{Header: header, First: true}, source)
	})
}

// changeEBPF embeds the first program anew after change has had its say.
func (s embedder) changeEBPF(ctx context.Context, change func(program *EBPFProgram, header *segments.EBPFHeader, btf *[]byte) error) (uint32, error) {
	return s.onNewest(ctx, func(snapshot *state.Snapshot) (epoch uint32, err error) {
		program, err := described(ctx, snapshot, segments.TypeEBPF, ebpfOf)
		if err != nil {
			return 0, err
		}
		if program.BTF.Size() > segments.MaxEBPF {
			return 0, fmt.Errorf("%w: BTF of %d bytes", volume.ErrTooLarge, program.BTF.Size())
		}
		giveBack, err := s.env.Memory.Lend(ctx, program.BTF.Size())
		if err != nil {
			return 0, err
		}
		defer giveBack()
		btf, err := state.ViewContent(ctx, program.BTF)
		if err != nil {
			return 0, err
		}
		header := program.Header
		if err := change(program, &header, &btf); err != nil {
			return 0, err
		}
		if _, err := program.newHash(ctx); err != nil {
			return 0, err
		}
		reader, err := program.Image.Open(ctx)
		if err != nil {
			return 0, err
		}
		epoch, err = s.placeEBPF(ctx, state.ReaderAt(ctx, reader), program.Image.Size(), btf, EBPFConfig{Header: header}, &program.Entry)
		return epoch, errors.Join(err, reader.Close())
	})
}

func (s embedder) putEBPFTypes(ctx context.Context, types []byte) (uint32, error) {
	return s.changeEBPF(ctx, func(_ *EBPFProgram, _ *segments.EBPFHeader, btf *[]byte) error {
		*btf = types
		return nil
	})
}

func (s embedder) putEBPFHeader(ctx context.Context, document []byte) (uint32, error) {
	return s.changeEBPF(ctx, func(program *EBPFProgram, header *segments.EBPFHeader, _ *[]byte) error {
		return editEBPF(document, program, header)
	})
}

// putWASMModule embeds a module of which nothing is said but what it says itself. It
// takes the place, role and priority of the module that is shown.
func (s embedder) putWASMModule(ctx context.Context, module io.ReaderAt, size int64, options EmbedOptions) (uint32, error) {
	detected, err := segments.DetectWASM(module, size)
	if err != nil {
		return 0, err
	}
	return s.onNewest(ctx, func(snapshot *state.Snapshot) (uint32, error) {
		header := detected
		source, err := replaceable(ctx, snapshot, segments.TypeWASM)
		if err != nil {
			return 0, err
		}
		modules, err := listModules(ctx, snapshot)
		if err != nil {
			return 0, err
		}
		if len(modules) > 0 {
			old := modules[0]
			source = &old.Entry
			err := old.intact(ctx)
			switch {
			case err == nil:
				header.Role, header.BootstrapPriority, header.InterpreterType = old.Header.Role, old.Header.BootstrapPriority, old.Header.InterpreterType
			case !errors.Is(err, volume.ErrCorrupt):
				return 0, err
			}
		}
		return s.placeWASM(ctx, module, size, WASMConfig{Header: header, Compress: options.Compress}, source)
	})
}

func (s embedder) putWASMHeader(ctx context.Context, document []byte) (uint32, error) {
	return s.onNewest(ctx, func(snapshot *state.Snapshot) (epoch uint32, err error) {
		modules, err := listModules(ctx, snapshot)
		if err != nil {
			return 0, err
		}
		if len(modules) == 0 {
			return 0, fmt.Errorf("%w: there is no module yet to which this could belong", volume.ErrInput)
		}
		module := modules[0]
		header := module.Header
		if err := editWASM(document, module, &header); err != nil {
			return 0, err
		}
		if _, err := module.newHash(ctx); err != nil {
			return 0, err
		}
		reader, err := module.Image.Open(ctx)
		if err != nil {
			return 0, err
		}
		compress := module.Header.Compression != segments.CompressionNone
		epoch, err = s.placeWASM(ctx, state.ReaderAt(ctx, reader), module.Image.Size(), WASMConfig{Header: header, Compress: compress}, &module.Entry)
		return epoch, errors.Join(err, reader.Close())
	})
}
