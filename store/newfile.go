package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/volume"
)

// newFileContent is what a new store file begins with.
type newFileContent struct {
	manifest *segments.Manifest
	before   []newSegment // segments in front of the manifest, named by it
	perm     os.FileMode  // the process and the folder may take some of it
}

// permOf is the mode of a new file for which one may have been asked.
func permOf(asked *os.FileMode) os.FileMode {
	if asked == nil {
		return 0o644
	}
	return *asked
}

// CheckName fails with ErrName if a file of that name, without a folder, is shown as
// no store, whatever it holds.
func CheckName(name string) error {
	if _, named := lineage.ProfileOfName(name); !named {
		return fmt.Errorf("%w: %q does not end in .rvf, .rvdna, .rvtext, .rvgraph or .rvvis", volume.ErrName, name)
	}
	return nil
}

type newSegment struct {
	kind    segments.Type
	flags   segments.Flags
	payload []byte
}

// writeNew makes a whole store file at name: complete and durable, or not at
// all. It fails with ErrExists when the name is taken.
func writeNew(files volume.FileSystem, name string, content newFileContent) error {
	stamp := uint64(time.Now().UnixNano())
	var image []byte
	id := uint64(0)
	add := func(segment newSegment) {
		id++
		header := segments.Header{
			Version: 1, Type: segment.kind, Flags: segment.flags, ID: id, Timestamp: stamp,
			PayloadLength: uint64(len(segment.payload)), ContentHash: segments.ContentHash(segment.payload),
		}
		if segment.kind != segments.TypeManifest {
			content.manifest.Directory = append(content.manifest.Directory, segments.DirectoryEntry{
				SegmentID: id, Offset: int64(len(image)), PayloadLength: header.PayloadLength, Type: segment.kind,
			})
		}
		encoded := header.Encode()
		image = append(append(image, encoded[:]...), segment.payload...)
	}
	for _, segment := range content.before {
		add(segment)
	}
	add(newSegment{kind: segments.TypeManifest, payload: content.manifest.Encode()})

	return createWhole(context.Background(), files, name, content.perm, func(_ context.Context, file volume.File) error {
		_, err := file.WriteAt(image, 0)
		return err
	})
}

// createWhole writes a file under a temporary name and renames it to its own when
// all of it is on the disk.
func createWhole(ctx context.Context, files volume.FileSystem, name string, perm os.FileMode, fill func(context.Context, volume.File) error) error {
	temporary := temporaryName(name)
	file, err := files.Create(temporary, perm)
	if err != nil {
		return err
	}
	if _, err = file.TryLock(); err == nil {
		err = fill(ctx, file)
	}
	if err == nil {
		err = file.SyncData()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = files.RenameNew(temporary, name)
		if errors.Is(err, fs.ErrExist) {
			err = volume.ErrExists // under the name that was asked for, not the temporary one
		}
	}
	if err != nil {
		return errors.Join(err, files.Remove(temporary))
	}
	if err = files.SyncDirectory(name); err != nil {
		// Nobody may build on a name that a power loss could take away.
		return errors.Join(err, files.Remove(name))
	}
	return nil
}
