package filelog

import (
	"context"
	"errors"
	"fmt"

	"rvffs/segments"
	"rvffs/store/volume"
)

// Rebuild puts a new store in the place of a file in which there is none any more, with
// that file's owner, mode and all that it has. Build sees to it that nothing of the file is
// missed, and gives the new content; with its error nothing changes.
func (l *Log) Rebuild(ctx context.Context, build func(volume.Bytes) (content []byte, err error)) error {
	return l.withClaimed(ctx, func(at Place, file File, stat volume.FileInfo) error {
		if _, err := l.findState(volume.Watch(ctx, file), stat.Size, segments.FindOptions{}); !errors.Is(err, volume.ErrNotStore) {
			return errors.Join(err, fmt.Errorf("%w: it has a manifest", volume.ErrExists))
		}
		defer l.claim(file)()
		content, err := build(volume.Watch(ctx, file))
		if err != nil {
			return err
		}
		attributes, err := file.Attributes()
		if err != nil {
			return err
		}
		temporary := TemporaryName(at.Name)
		if err := Create(ctx, at.Files, temporary, content, 0o600); err != nil {
			return err
		}
		if err = setAttributesOf(at.Files, temporary, attributes); err == nil {
			err = at.Files.Replace(temporary, at.Name, stat)
		}
		if err != nil {
			return errors.Join(err, at.Files.Remove(temporary))
		}
		return at.Files.SyncDirectory(at.Name)
	})
}

// withClaimed runs use with the store's file, which nobody else writes to meanwhile: there is no
// session, for what is in the file may be no store.
func (l *Log) withClaimed(ctx context.Context, use func(at Place, file File, stat volume.FileInfo) error) (err error) {
	at := l.Place()
	release, err := heldFor(ctx, at.Files)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	lock, err := Acquire(ctx, at.Files, at.Name, max(l.options.Wait, 0))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	file, err := at.Files.Open(at.Name, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := Claim(ctx, at.Files, at.Name, file, max(l.options.Wait, 0)); err != nil {
		return err
	}
	stat, err := file.Describe()
	if err != nil {
		return err
	}
	return use(at, file, stat)
}

// setAttributesOf gives a file attributes.
func setAttributesOf(files FileSystem, name string, attributes FileAttributes) error {
	file, err := files.Open(name, true)
	if err != nil {
		return err
	}
	return errors.Join(file.SetAttributes(attributes), file.SyncData(), file.Close())
}
