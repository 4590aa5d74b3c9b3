package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/log"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
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

// imagePiece is how many bytes of an image are read and written at a time.
const imagePiece = 1 << 20

// embedAttempts bounds how often a change is made anew because another came first.
const embedAttempts = 16

// again runs change until nobody else's change comes between.
func again(change func() (uint32, error)) (epoch uint32, err error) {
	for range embedAttempts {
		epoch, err = change()
		if !errors.Is(err, log.ErrSuperseded) && !errors.Is(err, volume.ErrStale) || errors.Is(err, state.ErrReplaced) {
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
	giveBack, err := s.options.Memory.Lend(ctx, min(e.size, imagePiece)+int64(len(e.more)))
	if err != nil {
		return 0, err
	}
	defer giveBack()
	session, err := s.log.Begin(ctx)
	if err != nil {
		return 0, err
	}
	var head []byte // known when all the rest is written
	target := session.Extent(volume.ExtentSpec{
		Type: e.kind, Front: len(sample), Seal: func(int64) []byte { return head }, Length: e.size + int64(len(e.more)),
	})
	var epoch uint32
	if head, err = e.write(ctx, target); err == nil {
		target.Complete()
	}
	switch {
	case err != nil:
	case s.rehearsal:
		_, err = e.findReplaced(ctx, session.Base())
	default:
		epoch, err = s.commit(ctx, session, log.Change{Added: []*filelog.Extent{target}, Removes: e.findReplaced, InPlace: true, First: e.first})
	}
	if err != nil || s.rehearsal {
		session.Drop(target)
	}
	return epoch, errors.Join(err, session.End())
}

// write puts image and rest into their place and makes the front that belongs to
// them.
func (e *embedding) write(ctx context.Context, target *filelog.Extent) (head []byte, err error) {
	hasher := lineage.NewShake256()
	buffer := make([]byte, min(e.size, imagePiece))
	for done := int64(0); done < e.size; {
		part := buffer[:min(e.size-done, int64(len(buffer)))]
		if n, err := e.image.ReadAt(part, done); n < len(part) {
			return nil, fmt.Errorf("%w: read the image, %d bytes before its end: %w", volume.ErrInput, e.size-done-int64(n), err)
		}
		if e.hash == nil {
			_, _ = hasher.Write(part)
		}
		if err := target.Write(ctx, part); err != nil {
			return nil, err
		}
		done += int64(len(part))
	}
	if len(e.more) > 0 {
		if err := target.Write(ctx, e.more); err != nil {
			return nil, err
		}
	}
	hash := lineage.Hash(hasher.Sum(nil))
	if e.hash != nil {
		hash = *e.hash
	}
	head, err = e.head(hash)
	if err == nil && segments.LooksLikeManifest(head) >= 0 {
		err = fmt.Errorf("%w: the header's fields look like a manifest", volume.ErrInput)
	}
	return head, err
}

// findReplaced lists the offsets of the segments whose place the new one takes.
func (e *embedding) findReplaced(ctx context.Context, base *state.Snapshot) (map[int64]bool, error) {
	removed := map[int64]bool{}
	if e.source != nil {
		if !slices.Contains(base.Named(), *e.source) {
			return nil, fmt.Errorf("%w: the %s at offset %d is gone", log.ErrSuperseded, e.kind, e.source.Offset)
		}
		removed[e.source.Offset] = true
	}
	err := base.With(ctx, state.Judging, func(reading *state.Reading) error {
		for _, entry := range base.OfType(e.kind) {
			p, err := openPayload(reading, entry)
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
