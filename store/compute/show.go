package compute

import (
	"context"
	"fmt"
	"slices"

	"rvffs/segments"
	"rvffs/store/state"
)

// headerJSON is the file in which a header stands that people read.
const headerJSON = "header.json"

// Files shows the first image of the kind that the manifest names, in the files of its
// kind with header.json and header.bin, or error.txt when it is damaged; nothing when
// there is none. When there are several, all/ shows each in a folder of its own.
func (k *Kind) Files(ctx context.Context, s *state.Snapshot) (*state.ViewTree, error) {
	return k.shown.Of(s).Get(ctx, func(ctx context.Context) (*state.ViewTree, error) {
		files, err := k.list(ctx, s)
		if err != nil {
			return nil, err
		}
		return state.NewViewTree(files), nil
	})
}

// shownImage is one image as files, or why there are none.
type shownImage struct {
	entry segments.DirectoryEntry
	label string
	name  string // of its folder, where several are shown
	files []state.NamedView
	image image // nil if it cannot be read
}

// shownImages makes files of all images, in directory order or in that of the kind.
func (k *Kind) shownImages(ctx context.Context, s *state.Snapshot) ([]shownImage, error) {
	var all []shownImage
	err := k.each(ctx, s, func(entry segments.DirectoryEntry, found image, err error) (bool, error) {
		one := shownImage{entry: entry, label: "damaged", image: found}
		if err != nil {
			text := fmt.Sprintf("The %s at offset %d cannot be read.\n\n%v\n", k, entry.Offset, err)
			one.image, one.files = nil, []state.NamedView{{Name: "error.txt", View: state.TextView([]byte(text))}}
		} else if one.files, err = filesOf(found); err != nil {
			return false, err
		} else {
			one.label = found.label()
		}
		all = append(all, one)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if k.order != nil {
		slices.SortStableFunc(all, func(a, b shownImage) int {
			switch {
			case a.image != nil && b.image != nil:
				return k.order(a.image, b.image)
			case a.image != nil:
				return -1
			case b.image != nil:
				return 1
			}
			return 0
		})
	}
	taken := map[string]bool{}
	for i := range all {
		one := &all[i]
		one.name = fmt.Sprintf("%06d-%s", one.entry.SegmentID, one.label)
		if taken[one.name] {
			one.name = fmt.Sprintf("%s@%d", one.name, one.entry.Offset)
		}
		taken[one.name] = true
	}
	return all, nil
}

// list is the files of the folder. The first image stands in the folder itself.
func (k *Kind) list(ctx context.Context, s *state.Snapshot) ([]state.NamedView, error) {
	all, err := k.shownImages(ctx, s)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	views := slices.Clone(all[0].files)
	if len(all) == 1 || k.alone {
		return views, nil
	}
	for _, one := range all {
		for _, file := range one.files {
			views = append(views, state.NamedView{Name: "all/" + one.name + "/" + file.Name, View: file.View, Extra: true})
		}
	}
	return views, nil
}

// filesOf are an image's files and its header, unless files of it have those names.
func filesOf(one image) ([]state.NamedView, error) {
	embedded := one.common()
	header, err := one.describe().view(embedded.hashed)
	files := slices.Clone(one.files())
	for _, own := range []state.NamedView{{Name: "header.bin", View: embedded.HeaderBinary}, {Name: headerJSON, View: header}} {
		if !slices.ContainsFunc(one.files(), func(file state.NamedView) bool { return occupiesName(file.Name, own.Name) }) {
			files = append(files, own)
		}
	}
	return files, err
}

// occupiesName reports whether a file, or a folder on its path, has the name.
func occupiesName(path, name string) bool {
	return path == name || len(path) > len(name) && path[:len(name)] == name && path[len(name)] == '/'
}
