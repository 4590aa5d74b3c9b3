package compute

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"rvffs/store/log"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// EveryImage stands for all images of a kind, where one is to be named.
const EveryImage = "all"

// Removal tells what was taken out of a store.
type Removal struct {
	Images []string // what each is called
	Epoch  uint32
}

// RemoveImages takes images of a kind, which is told by its folder, out of the store in
// one commit. Where there are several, which says the one that is meant, as its header
// or its folder in all/ does, or EveryImage. The next compaction takes the bytes away.
// A kind that nobody knows and an image that nobody can tell from others are ErrInput;
// without such an image it is ErrNotFound.
func (s *Images) RemoveImages(ctx context.Context, folder, which string) (Removal, error) {
	removal, err := s.removeImages(ctx, folder, which)
	if err != nil {
		return Removal{}, fmt.Errorf("remove %s from store %q: %w", strings.TrimSpace(folder+" "+which), s.env.Name(), err)
	}
	return removal, nil
}

func (s *Images) removeImages(ctx context.Context, folder, which string) (removal Removal, err error) {
	at := slices.IndexFunc(Kinds, func(kind *Kind) bool { return kind.Folder == folder })
	if at < 0 {
		return removal, fmt.Errorf("%w: there is no part %q: say %s", volume.ErrInput, folder, strings.Join(Folders(), ", "))
	}
	kind := Kinds[at]
	session, err := s.env.Log.Begin(ctx)
	if err != nil {
		return removal, err
	}
	defer func() {
		if endErr := session.End(); err == nil {
			err = endErr
		}
	}()
	removal.Epoch, err = s.env.Commit(ctx, session, log.Change{
		Actions: []log.Action{log.RemoveImages(folder)},
		Removes: func(ctx context.Context, base *state.Snapshot) (map[int64]bool, error) {
			gone, names, err := kind.chosen(ctx, base, which)
			removal.Images = names
			return gone, err
		},
	})
	return removal, err
}

// Folders are the folders of all kinds.
func Folders() []string {
	folders := make([]string, len(Kinds))
	for i, kind := range Kinds {
		folders[i] = kind.Folder
	}
	return folders
}

// chosen are the offsets of the segments that are meant, and what their images are called.
func (k *Kind) chosen(ctx context.Context, s *state.Snapshot, which string) (offsets map[int64]bool, names []string, err error) {
	entries := s.OfType(k.Type)
	if len(entries) == 0 {
		return nil, nil, fmt.Errorf("%w: the store holds no %s", volume.ErrNotFound, k)
	}
	all, err := k.shownImages(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	offsets = map[int64]bool{}
	if which == EveryImage || which == "" && (len(entries) == 1 || k.alone) {
		for _, entry := range entries { // also those that nobody looks at any more
			offsets[entry.Offset] = true
		}
		for _, one := range all {
			names = append(names, one.name)
		}
		return offsets, names, nil
	}
	var meant []shownImage
	for _, one := range all {
		names = append(names, one.name)
		if which == one.label || which == one.name {
			meant = append(meant, one)
		}
	}
	switch {
	case which == "" || len(meant) > 1:
		return nil, nil, fmt.Errorf("%w: the store holds several: say which of %s, or %s", volume.ErrInput, strings.Join(names, ", "), EveryImage)
	case len(meant) == 0:
		return nil, nil, fmt.Errorf("%w: none of %s is %q", volume.ErrNotFound, strings.Join(names, ", "), which)
	}
	offsets[meant[0].entry.Offset] = true
	return offsets, []string{meant[0].name}, nil
}
