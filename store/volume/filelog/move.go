package filelog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"rvffs/store/volume"
)

// Move gives the store another name, while nobody else can write. It fails with ErrExists
// when that is taken.
func (l *Log) Move(ctx context.Context, m volume.Move) (err error) {
	to := Place{FilesOf(m.Shelf), m.Name}
	release, err := heldFor(ctx, to.Files)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if _, reserved := reservationAt(to.Files, to.Name); !reserved && isNameTaken(to.Files, to.Name) {
		return fmt.Errorf("%w: %q", volume.ErrExists, to.Name)
	}
	// Writers lock by name: whoever is making a store of the new one comes first.
	lock, err := Acquire(ctx, to.Files, to.Name, max(l.options.Wait, 0))
	if err != nil {
		return fmt.Errorf("the new name: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	freeName(to.Files, to.Name)
	former := l.Place()
	remnants, err := m.Remnants(ctx)
	if err != nil {
		return err
	}
	if err := dropSuccessor(former.Files, former.Name); err != nil {
		return err
	}
	err = l.rename(ctx, m, to)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %w", volume.ErrExists, err)
	}
	if err != nil {
		return err
	}
	l.owe()
	for _, remnant := range remnants {
		moved, err := renameRemnant(remnant, path.Base(to.Name), m.Along)
		m.Moved(remnant, moved, err)
	}
	return errors.Join(l.payName(), former.Files.SyncDirectory(former.Name))
}

// rename has the file renamed while it is held, so that nobody has to find it meanwhile.
func (l *Log) rename(ctx context.Context, m volume.Move, to Place) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	generation := l.file
	l.mu.Unlock()
	if _, err := generation.Pin(ctx); err != nil {
		return err
	}
	err := m.GiveName()
	if err == nil {
		l.MovedTo(to)
	}
	return errors.Join(err, generation.Unpin())
}

// Remove implements volume.Log.
func (l *Log) Remove(ctx context.Context, shelf volume.Shelf) (err error) {
	files, name := FilesOf(shelf), l.Name()
	release, err := heldFor(ctx, files)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := dropSuccessor(files, name); err != nil {
		return err
	}
	if err := files.Remove(name); err != nil {
		return err
	}
	return files.SyncDirectory(name)
}
