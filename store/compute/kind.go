package compute

import (
	"context"
	"slices"

	"rvffs/segments"
	"rvffs/store/shared"
	"rvffs/store/state"
)

// Kinds are all kinds of images that a store can carry, in the order in which they are
// checked. Nothing else tells them apart: each is one row here and one file of its own.
var Kinds = []*Kind{kernels, ebpfPrograms, wasmModules, dashboards}

// Kind is a kind of images.
type Kind struct {
	Type segments.Type
	// Folder is the name, in a store's folder, of that which shows them.
	Folder string

	headerSize   int64 // bytes
	payloadLimit int64 // bytes of the longest payload
	// order compares images that do not count in the order of the directory; nil: they do.
	order func(a, b image) int
	// alone says that of several no other is shown than the first.
	alone bool
	trade

	shown state.Attachment[shared.Once[*state.ViewTree]] // the folder of a snapshot
}

// trade is what is made of the images of a kind.
type trade interface {
	// parse finds what a payload holds.
	parse(ctx context.Context, p payload, entry segments.DirectoryEntry) (image, error)
	// slot tells from a payload's start what the image is for: one takes the place of
	// those that are for the same. Slots can be compared.
	slot(prefix []byte) (any, error)
	// parts are the files by which such images are embedded. The image's own says itself
	// what it is, as far as that is told from its bytes.
	parts() map[Part]partKind
}

// image is an image of any kind.
type image interface {
	common() *Embedded
	label() string            // in the name of its folder, where several are shown
	problems() []string       // what is odd about its header
	describe() description    // its header
	files() []state.NamedView // but those of the header
}

// KindOf is the kind of the images that segments of a type hold; nil for other segments.
func KindOf(segment segments.Type) *Kind {
	at := slices.IndexFunc(Kinds, func(kind *Kind) bool { return kind.Type == segment })
	if at < 0 {
		return nil
	}
	return Kinds[at]
}

// String is the kind in errors.
func (k *Kind) String() string { return k.Type.String() }

// sameSlot reports whether of two images, told by their payloads' starts, one takes the
// place of the other.
func (k *Kind) sameSlot(a, b []byte) bool {
	one, err := k.slot(a)
	if err != nil {
		return false
	}
	other, err := k.slot(b)
	return err == nil && one == other
}
