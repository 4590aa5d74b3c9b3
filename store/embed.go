package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"rvffs/lineage"
	"rvffs/segments"
)

// WriteKernel embeds a kernel image of size bytes with its command line and
// commits. A kernel of the same architecture is replaced, others stay. Sizes,
// offsets and the image hash of the header are filled in. An image over the
// format's limit is ErrTooLarge.
func (s *Store) WriteKernel(ctx context.Context, header segments.KernelHeader, image io.Reader, size int64, cmdline string) (epoch uint32, err error) {
	e := embedding{kind: segments.TypeKernel, size: size, more: []byte(cmdline)}
	e.head = func(hash lineage.Hash) ([]byte, error) {
		header.ImageHash = hash
		head, err := segments.BuildKernel(header, size, cmdline)
		return head[:], err
	}
	e.replaces = func(prefix []byte) bool {
		old, err := segments.ParseKernelHeader(prefix)
		return err == nil && old.Architecture == header.Architecture
	}
	if epoch, err = s.embed(ctx, e, image); err != nil {
		return 0, fmt.Errorf("embed kernel into store %q: %w", s.Path(), err)
	}
	return epoch, nil
}

// WriteEBPF embeds an eBPF program, an ELF object of size bytes, with its type
// information (BTF, may be empty) and commits. A program of the same type and
// attach type is replaced, others stay. Sizes and the program hash of the header
// are filled in. A program over the format's limit is ErrTooLarge.
func (s *Store) WriteEBPF(ctx context.Context, header segments.EBPFHeader, program io.Reader, size int64, btf []byte) (epoch uint32, err error) {
	e := embedding{kind: segments.TypeEBPF, size: size, more: btf}
	e.head = func(hash lineage.Hash) ([]byte, error) {
		header.ProgramHash = hash
		head, err := segments.BuildEBPF(header, size, int64(len(btf)))
		return head[:], err
	}
	e.replaces = func(prefix []byte) bool {
		old, err := segments.ParseEBPFHeader(prefix)
		return err == nil && old.ProgramType == header.ProgramType && old.AttachType == header.AttachType
	}
	if epoch, err = s.embed(ctx, e, program); err != nil {
		return 0, fmt.Errorf("embed eBPF program into store %q: %w", s.Path(), err)
	}
	return epoch, nil
}

// embedding is a compute segment: a header that holds a hash of what follows it,
// the image, and a small rest.
type embedding struct {
	kind     segments.Type
	size     int64 // of the image, in bytes
	more     []byte
	head     func(hash lineage.Hash) ([]byte, error)
	replaces func(prefix []byte) bool // tells from a payload's start what has to go
}

func (s *Store) embed(ctx context.Context, e embedding, image io.Reader) (uint32, error) {
	sample, err := e.head(lineage.Hash{})
	if errors.Is(err, segments.ErrTooLarge) {
		return 0, fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrInput, err)
	}
	session, err := s.writer.begin(ctx)
	if err != nil {
		return 0, err
	}
	r, err := s.writer.reserve(session, nil, int(e.size)+len(e.more), func() *extent {
		return &extent{kind: e.kind, front: len(sample), sealed: true}
	})
	target := r.extent
	var epoch uint32
	if err == nil {
		if err = s.writer.guard(session, r.file); err == nil {
			err = e.write(ctx, r.file, target, image)
		}
		target.dropped = err != nil
		target.pending.Done()
	}
	if err == nil {
		epoch, err = s.writer.commit(session, change{added: []*extent{target}, removes: e.findReplaced})
	}
	if err != nil && target != nil {
		s.writer.drop(session, []*extent{target})
	}
	return epoch, errors.Join(err, s.writer.end(session))
}

// write puts image and rest into their place and makes the header that belongs
// to them.
func (e *embedding) write(ctx context.Context, file File, target *extent, image io.Reader) error {
	hash := lineage.NewShake256()
	position := int64(target.front)
	buffer := make([]byte, min(e.size, worthWriteback))
	for left := e.size; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := buffer[:min(left, int64(len(buffer)))]
		if _, err := io.ReadFull(image, part); err != nil {
			return fmt.Errorf("%w: read the image, %d bytes before its end: %w", ErrInput, left, err)
		}
		_, _ = hash.Write(part)
		if err := target.writeBody(file, part, position); err != nil {
			return err
		}
		position += int64(len(part))
		left -= int64(len(part))
	}
	if len(e.more) > 0 {
		if err := target.writeBody(file, e.more, position); err != nil {
			return err
		}
	}
	head, err := e.head(lineage.Hash(hash.Sum(nil)))
	if err == nil && segments.LooksLikeManifest(head) >= 0 {
		err = fmt.Errorf("%w: the header's fields look like a manifest", ErrInput)
	}
	target.head = head
	return err
}

// findReplaced lists the offsets of the segments whose place the new one takes.
func (e *embedding) findReplaced(base *Snapshot) (map[int64]bool, error) {
	removed := map[int64]bool{}
	err := base.source.with(func(file File) error {
		for _, entry := range base.named() {
			if entry.Type != e.kind {
				continue
			}
			prefix := make([]byte, min(entry.PayloadLength, segments.MaxKernelPrefix))
			if err := readFull(file, prefix, entry.Offset+segments.HeaderSize); err != nil {
				return err
			}
			if e.replaces(prefix) {
				removed[entry.Offset] = true
			}
		}
		return nil
	})
	return removed, err
}
