package store

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

// embedding is a compute segment in the making: a front that holds a hash of the
// image, the image, and a small rest.
type embedding struct {
	kind   segments.Type
	image  io.ReaderAt
	size   int64 // of the image as it is stored, in bytes
	more   []byte
	hash   *lineage.Hash // of the image; nil: that of the bytes that are stored
	head   func(hash lineage.Hash) ([]byte, error)
	first  bool                     // named before all others of its kind
	source *segments.DirectoryEntry // must still be there, and is replaced; nil: nothing
	// replaces tells from a payload's start which segments have to go besides.
	replaces func(prefix []byte) bool
}

// errSuperseded means that what an embedding builds upon was replaced meanwhile.
var errSuperseded = errors.New("another change came first")

// embedAttempts bounds how often a change is made anew because another came first.
const embedAttempts = 16

// again runs change until nobody else's change comes between.
func again(change func() (uint32, error)) (epoch uint32, err error) {
	for range embedAttempts {
		epoch, err = change()
		if !errors.Is(err, errSuperseded) && !errors.Is(err, volume.ErrStale) || errors.Is(err, state.ErrReplaced) {
			return epoch, err
		}
	}
	return 0, fmt.Errorf("%w: %w", volume.ErrLocked, err)
}

// embedder is a store into which something is embedded. A rehearsal does all but the
// commit, and leaves nothing behind: it tells what an embedding would fail with.
type embedder struct {
	*Store
	rehearsal bool
}

func (s *Store) embedder() embedder { return embedder{Store: s} }

func (s embedder) embed(ctx context.Context, e *embedding) (uint32, error) {
	sample, err := e.head(lineage.Hash{})
	if errors.Is(err, segments.ErrTooLarge) {
		return 0, fmt.Errorf("%w: %w", volume.ErrTooLarge, err)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", volume.ErrInput, err)
	}
	giveBack, err := s.options.Memory.Lend(ctx, min(e.size, worthWriteback)+int64(len(e.more)))
	if err != nil {
		return 0, err
	}
	defer giveBack()
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
			err = e.write(ctx, r.file, target)
		}
		target.dropped.Store(err != nil)
		target.pending.Done()
	}
	switch {
	case err != nil:
	case s.rehearsal:
		_, err = e.findReplaced(s.writer.baseOf(session))
	default:
		epoch, err = s.writer.commit(ctx, session, change{added: []*extent{target}, removes: e.findReplaced, inPlace: true, first: e.first})
	}
	if (err != nil || s.rehearsal) && target != nil {
		s.writer.drop(session, []*extent{target})
	}
	return epoch, errors.Join(err, s.writer.end(session))
}

// write puts image and rest into their place and makes the front that belongs to
// them.
func (e *embedding) write(ctx context.Context, file volume.File, target *extent) error {
	hasher := lineage.NewShake256()
	position := int64(target.front)
	buffer := make([]byte, min(e.size, worthWriteback))
	for done := int64(0); done < e.size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := buffer[:min(e.size-done, int64(len(buffer)))]
		if n, err := e.image.ReadAt(part, done); n < len(part) {
			return fmt.Errorf("%w: read the image, %d bytes before its end: %w", volume.ErrInput, e.size-done-int64(n), err)
		}
		if e.hash == nil {
			_, _ = hasher.Write(part)
		}
		if err := target.writeBody(file, part, position); err != nil {
			return err
		}
		position += int64(len(part))
		done += int64(len(part))
	}
	if len(e.more) > 0 {
		if err := target.writeBody(file, e.more, position); err != nil {
			return err
		}
	}
	hash := lineage.Hash(hasher.Sum(nil))
	if e.hash != nil {
		hash = *e.hash
	}
	head, err := e.head(hash)
	if err == nil && segments.LooksLikeManifest(head) >= 0 {
		err = fmt.Errorf("%w: the header's fields look like a manifest", volume.ErrInput)
	}
	target.head = head
	return err
}

// findReplaced lists the offsets of the segments whose place the new one takes.
func (e *embedding) findReplaced(base *state.Snapshot) (map[int64]bool, error) {
	removed := map[int64]bool{}
	if e.source != nil {
		if !slices.Contains(base.Named(), *e.source) {
			return nil, fmt.Errorf("%w: the %s at offset %d is gone", errSuperseded, e.kind, e.source.Offset)
		}
		removed[e.source.Offset] = true
	}
	err := base.Backing().With(context.Background(), func(file volume.File) error {
		for _, entry := range base.OfType(e.kind) {
			p, err := openPayload(base.In(file), entry)
			if err = volume.AsCorrupt(err); errors.Is(err, volume.ErrCorrupt) {
				continue // nobody can say what it is
			}
			if err != nil {
				return err
			}
			if e.replaces(p.prefix) {
				removed[entry.Offset] = true
			}
		}
		return nil
	})
	return removed, err
}

// refused turns what is odd about a header into an error.
func refused(problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", volume.ErrInput, problems[0])
}
