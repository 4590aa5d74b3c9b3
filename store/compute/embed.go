package compute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/log"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// embedding is a compute segment in the making: a front that holds a hash of the
// image, the image, and a small rest.
type embedding struct {
	kind   *Kind
	image  io.ReaderAt
	size   int64 // of the image as it is stored, in bytes
	more   []byte
	sample []byte        // the front but for the hash
	hash   *lineage.Hash // of the image; nil: that of the bytes that are stored
	head   func(hash lineage.Hash) ([]byte, error)
	first  bool                     // named before all others of its kind
	source *segments.DirectoryEntry // must still be there, and is replaced; nil: nothing
}

// imagePiece is how many bytes of an image are read and written at a time.
const imagePiece = 1 << 20

// onNewest makes a change to the newest state, and anew while another comes first.
func (s *Images) onNewest(ctx context.Context, change func(*state.Snapshot) (uint32, error)) (epoch uint32, err error) {
	err = state.OnNewest(ctx, s.env.Snapshot, func(snapshot *state.Snapshot) (err error) {
		epoch, err = change(snapshot)
		return err
	})
	return epoch, err
}

// embedder is a store into which something is embedded. A rehearsal does all but the
// commit, and leaves nothing behind: it tells what an embedding would fail with.
type embedder struct {
	*Images
	rehearsal bool
}

func (s *Images) embedder() embedder { return embedder{Images: s} }

func (s embedder) embed(ctx context.Context, e *embedding) (uint32, error) {
	var err error
	e.sample, err = e.head(lineage.Hash{})
	if errors.Is(err, segments.ErrTooLarge) {
		return 0, fmt.Errorf("%w: %w", volume.ErrTooLarge, err)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", volume.ErrInput, err)
	}
	giveBack, err := s.env.Memory.Lend(ctx, min(e.size, imagePiece)+int64(len(e.more)))
	if err != nil {
		return 0, err
	}
	defer giveBack()
	session, err := s.env.Log.Begin(ctx)
	if err != nil {
		return 0, err
	}
	var head []byte // known when all the rest is written
	target := session.Extent(volume.ExtentSpec{
		Type: e.kind.Type, Front: len(e.sample), Seal: func(int64) []byte { return head }, Length: e.size + int64(len(e.more)),
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
		epoch, err = s.env.Commit(ctx, session, log.Change{Added: []volume.Extent{target}, Removes: e.findReplaced, InPlace: true, First: e.first})
	}
	if err != nil || s.rehearsal {
		session.Drop(target)
	}
	return epoch, errors.Join(err, session.End())
}

// write puts image and rest into their place and makes the front that belongs to
// them. Hashing takes longer than writing, and goes on beside.
func (e *embedding) write(ctx context.Context, target volume.Extent) (head []byte, err error) {
	hasher := lineage.NewShake256()
	known, beside := e.image.(*arriving)
	beside = beside && known.hashed()
	digest := func(part []byte) { _, _ = hasher.Write(part) }
	if e.hash != nil || beside {
		digest = func([]byte) {}
	}
	buffer := make([]byte, min(e.size, imagePiece))
	for done := int64(0); done < e.size; {
		part := buffer[:min(e.size-done, int64(len(buffer)))]
		if n, err := e.image.ReadAt(part, done); n < len(part) {
			return nil, fmt.Errorf("%w: read the image, %d bytes before its end: %w", volume.ErrInput, e.size-done-int64(n), err)
		}
		var hashing sync.WaitGroup
		hashing.Go(func() { digest(part) })
		err := target.Write(ctx, part)
		hashing.Wait()
		if err != nil {
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
	switch {
	case e.hash != nil:
		hash = *e.hash
	case beside:
		if hash, err = known.hash(ctx); err != nil {
			return nil, fmt.Errorf("hash the image: %w", err)
		}
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
			return nil, log.Clash(fmt.Errorf("%w: the %s at offset %d is gone", state.ErrSuperseded, e.kind, e.source.Offset))
		}
		removed[e.source.Offset] = true
	}
	err := base.With(ctx, state.Judging, func(base *state.Reading) error {
		rivals, err := Rivals(base, e.kind.Type, e.sample)
		for _, entry := range rivals {
			removed[entry.Offset] = true
		}
		return err
	})
	return removed, err
}

// problemsError turns what is odd about a header into an error.
func problemsError(problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", volume.ErrInput, problems[0])
}
