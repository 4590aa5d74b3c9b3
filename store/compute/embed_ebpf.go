package compute

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"rvffs/lineage"
	"rvffs/segments"
)

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
	if err := refused(header.Problems()); err != nil {
		return 0, err
	}
	return s.embed(ctx, &embedding{
		kind: segments.TypeEBPF, image: program, size: size, more: bytes.Clone(btf), first: config.First, source: source,
		head: func(hash lineage.Hash) ([]byte, error) {
			header.ProgramHash = hash
			head, err := segments.BuildEBPF(header, size, int64(len(btf)))
			return head[:], err
		},
	})
}
