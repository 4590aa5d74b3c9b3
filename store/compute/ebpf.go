package compute

import (
	"bytes"
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

// ebpfPrograms are eBPF programs. One of the same type and attach type takes the place of
// another.
var ebpfPrograms = &Kind{
	Type: segments.TypeEBPF, Folder: ebpfFolder, headerSize: segments.EBPFHeaderSize,
	payloadLimit: segments.EBPFHeaderSize + segments.MaxEBPF, trade: ebpfTrade{},
}

// What is shown of an eBPF program.
const (
	ebpfFolder = "ebpf"

	PartEBPFProgram Part = ebpfFolder + "/program.o"
	PartEBPFTypes   Part = ebpfFolder + "/btf"
	PartEBPFHeader  Part = ebpfFolder + "/" + headerJSON
)

type ebpfTrade struct{}

func (ebpfTrade) parts() map[Part]partKind {
	return map[Part]partKind{
		PartEBPFProgram: {limit: segments.MaxEBPF, embed: embedder.putEBPFProgram},
		PartEBPFTypes:   {limit: segments.MaxEBPF, needsImage: true, embed: fromMemory(embedder.putEBPFTypes)},
		PartEBPFHeader:  {limit: maxHeaderJSON, needsImage: true, embed: fromMemory(embedder.putEBPFHeader)},
	}
}

func (ebpfTrade) slot(prefix []byte) (any, error) {
	type slot struct {
		program segments.EBPFProgramType
		attach  segments.EBPFAttachType
	}
	header, err := segments.ParseEBPFHeader(prefix)
	return slot{header.ProgramType, header.AttachType}, err
}

// EBPFProgram is one embedded eBPF program; BTF is empty when there is none.
type EBPFProgram struct {
	Embedded
	Header segments.EBPFHeader
	BTF    state.View
}

func (ebpfTrade) parse(_ context.Context, p payload, entry segments.DirectoryEntry) (image, error) {
	parsed, err := segments.ParseEBPF(p.prefix, p.view.Size())
	if err != nil {
		return nil, err
	}
	program := &EBPFProgram{Header: parsed.Header}
	if program.BTF, err = state.SubView(p.view, parsed.BTFOffset, parsed.BTFLength); err != nil {
		return nil, err
	}
	image, err := state.SubView(p.view, parsed.ProgramOffset, parsed.ProgramLength)
	if err != nil {
		return nil, err
	}
	program.Embedded, err = p.embedded(entry, image, parsed.Header.ProgramHash)
	return program, err
}

func (p *EBPFProgram) label() string { return p.Header.ProgramType.String() }

func (p *EBPFProgram) problems() []string { return p.Header.Problems() }

func (p *EBPFProgram) files() []state.NamedView {
	files := []state.NamedView{{Name: PartEBPFProgram.file(), View: p.Image}}
	if p.BTF.Size() > 0 { // a program without type information has no file of it
		files = append(files, state.NamedView{Name: PartEBPFTypes.file(), View: p.BTF})
	}
	return files
}

// ExtractEBPF is ExtractKernel for eBPF programs, of the given types if there are
// any.
func (s *Images) ExtractEBPF(ctx context.Context, types ...segments.EBPFProgramType) (*EBPFProgram, error) {
	program, err := extract(ctx, s, ebpfPrograms, func(p *EBPFProgram) bool {
		return len(types) == 0 || slices.Contains(types, p.Header.ProgramType)
	})
	if err != nil {
		return nil, fmt.Errorf("extract eBPF program from store %q: %w", s.env.Name(), err)
	}
	return program, nil
}

// EBPFConfig says how an eBPF program is embedded.
type EBPFConfig struct {
	// Header holds what the header is to say; version, sizes and hash are filled
	// in. segments.DetectEBPF tells what a program says of itself.
	Header segments.EBPFHeader
	// First makes it the program that is extracted when nobody asks for a type.
	First bool
}

// EmbedEBPF embeds an eBPF program, an ELF object of size bytes, with its type
// information (BTF, may be empty) and commits. A program of the same type and
// attach type is replaced, others stay. Over the format's limit is ErrTooLarge.
func (s *Images) EmbedEBPF(ctx context.Context, program io.ReaderAt, size int64, btf []byte, config EBPFConfig) (epoch uint32, err error) {
	if epoch, err = s.embedder().placeEBPF(ctx, program, size, btf, config, nil); err != nil {
		return 0, fmt.Errorf("embed eBPF program into store %q: %w", s.env.Name(), err)
	}
	return epoch, nil
}

func (s embedder) placeEBPF(ctx context.Context, program io.ReaderAt, size int64, btf []byte, config EBPFConfig, source *segments.DirectoryEntry) (uint32, error) {
	header := config.Header
	if err := problemsError(header.Problems()); err != nil {
		return 0, err
	}
	return s.embed(ctx, &embedding{
		kind: ebpfPrograms, image: program, size: size, more: bytes.Clone(btf), first: config.First, source: source,
		head: func(hash lineage.Hash) ([]byte, error) {
			header.ProgramHash = hash
			head, err := segments.BuildEBPF(header, size, int64(len(btf)))
			return head[:], err
		},
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
		source, err := replaceable(ctx, snapshot, ebpfPrograms)
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
		program, err := described[*EBPFProgram](ctx, snapshot, ebpfPrograms)
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
