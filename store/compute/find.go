package compute

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// maxEmbedded bounds how many segments of one type are looked at.
const maxEmbedded = 1024

// each calls visit for each image of the kind in directory order, or with the reason why
// it cannot be read, until visit returns false. Errors of the disk end it.
func (k *Kind) each(ctx context.Context, s *state.Snapshot, visit func(segments.DirectoryEntry, image, error) (bool, error)) error {
	left := maxEmbedded
	for _, entry := range s.OfType(k.Type) {
		if left--; left < 0 {
			return nil
		}
		var found image
		err := s.With(ctx, state.Looking, func(reading *state.Reading) error {
			p, err := openPayload(reading, entry)
			if err == nil {
				found, err = k.parse(ctx, p, entry)
			}
			return err
		})
		if err != nil {
			if errors.Is(err, volume.ErrStale) {
				return err
			}
			if err = volume.AsCorrupt(err); !errors.Is(err, volume.ErrCorrupt) {
				return fmt.Errorf("read the %s at offset %d: %w", k, entry.Offset, err)
			}
			err = fmt.Errorf("the %s at offset %d: %w", k, entry.Offset, err)
		}
		more, err := visit(entry, found, err)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// findAll finds the images that can be read, in their order.
func findAll[I image](ctx context.Context, s *state.Snapshot, kind *Kind) ([]I, error) {
	var all []I
	err := kind.each(ctx, s, func(_ segments.DirectoryEntry, one image, err error) (bool, error) {
		if err == nil {
			all = append(all, one.(I))
		}
		return true, nil
	})
	if kind.order != nil {
		slices.SortStableFunc(all, func(a, b I) int { return kind.order(a, b) })
	}
	return all, err
}

// findFirst finds the first image that is wanted, in their order. One that cannot be read
// is an error only if nothing else is found.
func findFirst[I image](ctx context.Context, s *state.Snapshot, kind *Kind, wanted func(I) bool) (first I, err error) {
	var damage error
	found := false
	err = kind.each(ctx, s, func(_ segments.DirectoryEntry, one image, err error) (bool, error) {
		switch {
		case err != nil:
			damage = errors.Join(damage, err)
		case wanted(one.(I)) && (!found || kind.order(one, first) < 0):
			first, found = one.(I), true
		}
		return !found || kind.order != nil, nil
	})
	switch {
	case err != nil || found:
		return first, err
	case damage != nil:
		return first, damage
	}
	return first, fmt.Errorf("%w: the store holds no such %s", volume.ErrNotFound, kind)
}

// anyImage reports whether an image is wanted: whichever comes first.
func anyImage[I image](I) bool { return true }

// extract finds the first image that is wanted in the newest state.
func extract[I image](ctx context.Context, s *Images, kind *Kind, wanted func(I) bool) (I, error) {
	var none I
	if err := ctx.Err(); err != nil {
		return none, err
	}
	snapshot, err := s.env.Snapshot(ctx)
	if err != nil {
		return none, err
	}
	found, err := findFirst(ctx, snapshot, kind, wanted)
	if err != nil {
		return none, err
	}
	return found, found.common().Check(ctx)
}

// Rivals are the images whose place one would take, of the kind that segments of a type
// hold, whose payload has such a start. Of those that are damaged nobody can say what
// they are.
func Rivals(base *state.Reading, segment segments.Type, prefix []byte) (rivals []segments.DirectoryEntry, err error) {
	kind := KindOf(segment)
	for _, entry := range base.Snapshot().OfType(segment) {
		p, err := openPayload(base, entry)
		if err = volume.AsCorrupt(err); errors.Is(err, volume.ErrCorrupt) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if kind.sameSlot(prefix, p.prefix) {
			rivals = append(rivals, entry)
		}
	}
	return rivals, nil
}
