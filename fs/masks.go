package fs

import (
	"context"
	"os"

	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
)

// withMasks tells a Mkdir and a Create of the file mode creation mask of its caller, in the bits of
// the mode from maskShift on. Whether the mask counts depends on the folder: what one
// makes that hands an access control list down gets that instead.
type withMasks struct{ fuse.RawFileSystem }

const maskShift = 16

// Mkdir implements fuse.RawFileSystem.
func (m withMasks) Mkdir(cancel <-chan struct{}, input *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	masked := *input
	masked.Mode = input.Mode&(1<<maskShift-1) | input.Umask<<maskShift
	return m.RawFileSystem.Mkdir(cancel, &masked, name, out)
}

// Create implements fuse.RawFileSystem.
func (m withMasks) Create(cancel <-chan struct{}, input *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	masked := *input
	masked.Mode = input.Mode&(1<<maskShift-1) | input.Umask<<maskShift
	return m.RawFileSystem.Create(cancel, &masked, name, out)
}

// newMode is the mode of what is made in a folder, out of a mode from withMasks.
func newMode(ctx context.Context, in *catalog.Folder, raw uint32) os.FileMode {
	mode := modeOf(raw) & (os.ModePerm | os.ModeSticky)
	if list, err := in.AccessList(ctx, true); err == nil && list != nil {
		return mode
	}
	return mode &^ modeOf(raw>>maskShift).Perm()
}
