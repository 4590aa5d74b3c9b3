package filelog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"rvffs/store/volume"
)

// Move is how a store gets another name.
type Move struct {
	To Place
	// Rename makes the file one of those of To, in one step; it fails with fs.ErrExist
	// when the name is taken.
	Rename func() error
	// Remnants are those that go along, by their bare names, each by Along, which fails
	// with fs.ErrExist, too, and is then asked for another name. Moved is told what became
	// of each: the store has its new name by then.
	Remnants func() ([]string, error)
	Along    func(remnant, moved string) error
	Moved    func(remnant, moved string, err error)
}

// Move gives the store another name, while nobody else can write. It fails with ErrExists
// when that is taken.
func (l *Log) Move(ctx context.Context, m Move) (err error) {
	if _, err := m.To.Files.Stat(m.To.Name); err == nil {
		return fmt.Errorf("%w: %q", volume.ErrExists, m.To.Name)
	}
	// Writers lock by name: whoever is making a store of the new one comes first.
	lock, err := Acquire(ctx, m.To.Files, m.To.Name, max(l.options.Wait, 0))
	if err != nil {
		return fmt.Errorf("the new name: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	former := l.Place()
	remnants, err := m.Remnants()
	if err != nil {
		return err
	}
	err = l.rename(ctx, m)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %w", volume.ErrExists, err)
	}
	if err != nil {
		return err
	}
	l.Owe()
	for _, remnant := range remnants {
		moved, err := renameRemnant(remnant, path.Base(m.To.Name), m.Along)
		m.Moved(remnant, moved, err)
	}
	return errors.Join(l.PayName(), former.Files.SyncDirectory(former.Name))
}

// rename has the file renamed while it is held, so that nobody has to find it meanwhile.
func (l *Log) rename(ctx context.Context, m Move) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	generation := l.file
	l.mu.Unlock()
	if _, err := generation.Pin(); err != nil {
		return err
	}
	err := m.Rename()
	if err == nil {
		l.MovedTo(m.To)
	}
	return errors.Join(err, generation.Unpin())
}

// Remove removes the store's name among files that are those in which it lies, but may be
// reached with somebody else's rights.
func (l *Log) Remove(files volume.FileSystem) error {
	name := l.Name()
	if err := files.Remove(name); err != nil {
		return err
	}
	return files.SyncDirectory(name)
}
