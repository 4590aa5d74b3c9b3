package filelog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"rvffs/store/volume"
)

// remnantName is the n-th name, from 1, for a remnant of the store at name.
func remnantName(name string, epoch uint32, n int) string {
	name = fmt.Sprintf("%s%s%d", name, volume.RemnantMark, epoch)
	if n > 1 {
		name += fmt.Sprintf("-%d", n)
	}
	return name
}

// OwnRemnants are those of the given bare names that are names of the store's remnants.
func (l *Log) OwnRemnants(names []string) []string {
	store := path.Base(l.Name())
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		of, is := volume.RemnantOf(name)
		return !is || of != store
	})
}

// Remnants lists, by their bare names, the files beside the store's that have names of its
// remnants.
func (l *Log) Remnants(ctx context.Context) (_ []string, err error) {
	at := l.Place()
	release, err := heldFor(ctx, at.Files)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	names, err := at.Files.Siblings(at.Name)
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil // whoever may not list the folder did not put any there
	}
	if err != nil {
		return nil, err
	}
	return l.OwnRemnants(names), nil
}

// remnantRule says which files beside a store count as its remnants. Whoever may make
// names in a folder can give a file of his the name of one: what somebody else wrote
// must neither be committed nor told, nor keep the store's owner from anything.
type remnantRule struct{ owner uint32 } // of the store's file

// check judges a file that has the name of a remnant.
func (r remnantRule) check(info volume.FileInfo) error {
	switch {
	case !info.Mode.IsRegular():
		return fmt.Errorf("%w: it is no regular file", volume.ErrStrangeRemnant)
	case info.Names > 1:
		return fmt.Errorf("%w: it has %d names (hard links)", volume.ErrStrangeRemnant, info.Names)
	case info.UID != r.owner && !(volume.Caller{UID: info.UID}).Trusted():
		return fmt.Errorf("%w: it belongs to user %d, and the store to user %d", volume.ErrStrangeRemnant, info.UID, r.owner)
	}
	return nil
}

func (r remnantRule) open(files FileSystem, name string) (File, error) {
	file, err := files.Open(name, false)
	if err != nil {
		// What somebody else keeps for himself is no problem of this store's.
		if found, problem := files.Stat(name); problem == nil {
			if strange := r.check(found); strange != nil {
				err = strange
			}
		}
		return nil, err
	}
	found, err := file.Describe()
	if err == nil {
		err = r.check(found)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// rule is the rule for the store as its file is now.
func (l *Log) rule(ctx context.Context) (remnantRule, error) {
	l.mu.Lock()
	generation := l.file
	l.mu.Unlock()
	file, err := generation.Pin(ctx)
	if err != nil {
		return remnantRule{}, err
	}
	info, err := file.Describe()
	return remnantRule{info.UID}, errors.Join(err, generation.Unpin())
}

// OpenRemnant opens a remnant. The error is volume.ErrStrangeRemnant where the file of
// that name does not count as one.
func (l *Log) OpenRemnant(ctx context.Context, name string) (_ volume.Bytes, err error) {
	at := l.Place()
	release, err := heldFor(ctx, at.Files)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	rule, err := l.rule(ctx)
	if err != nil {
		return nil, err
	}
	file, err := rule.open(at.Files, Beside(at.Name, name))
	if err != nil {
		return nil, err
	}
	return file, nil
}

// remnant is what is to be kept, and the store's file that it is taken from.
type remnant struct {
	volume.Remnant
	from File
}

// claim has remnants taken from a file, which is open and locked, until release is called.
func (l *Log) claim(file File) (release func()) {
	set := func(file File) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.claimed = file
	}
	set(file)
	return func() { set(nil) }
}

// claimedOr is the file that was claimed, or else the one that stands at a place, which
// the caller has to close by done.
func (l *Log) claimedOr(at Place) (file File, done func() error, err error) {
	l.mu.Lock()
	file = l.claimed
	l.mu.Unlock()
	if file != nil {
		return file, func() error { return nil }, nil
	}
	if file, err = at.Files.Open(at.Name, false); err != nil {
		return nil, nil, err
	}
	return file, file.Close, nil
}

// KeepRemnant puts a remnant beside the store, durable, with the store's owner and mode,
// under the first name that is free, and returns its bare name. One that is there already
// does, for an interruption may have come between this and the cut: then the name is empty.
func (l *Log) KeepRemnant(ctx context.Context, kept volume.Remnant) (name string, err error) {
	at := l.Place()
	release, err := heldFor(ctx, at.Files)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, release()) }()
	from, done, err := l.claimedOr(at)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, done()) }()
	r := remnant{kept, from}
	stat, err := from.Describe()
	if err != nil {
		return "", err
	}
	rule := remnantRule{stat.UID}
	for n := 1; ; n++ {
		name := remnantName(at.Name, r.Epoch, n)
		same, err := r.sameAs(ctx, rule, at.Files, name)
		if same {
			// Its name may not have been made durable before the interruption.
			return "", at.Files.SyncDirectory(name)
		}
		if errors.Is(err, fs.ErrNotExist) {
			if err = r.write(ctx, at.Files, name); err == nil {
				return path.Base(name), nil
			}
		}
		switch {
		case errors.Is(err, volume.ErrExists) || errors.Is(err, volume.ErrStrangeRemnant) || errors.Is(err, fs.ErrPermission) && isNameTaken(at.Files, name):
			continue // somebody else has the name, whatever he uses it for
		case err != nil:
			return "", err
		}
	}
}

// isNameTaken reports whether something stands at a name.
func isNameTaken(files FileSystem, name string) bool {
	_, err := files.Stat(name)
	return err == nil
}

func (r remnant) sameAs(ctx context.Context, rule remnantRule, files FileSystem, name string) (bool, error) {
	kept, err := rule.open(files, name)
	if err != nil {
		return false, err
	}
	same, err := r.Same(ctx, kept)
	return same, errors.Join(err, kept.Close())
}

// write writes a remnant to a file of its own.
func (r remnant) write(ctx context.Context, files FileSystem, name string) error {
	attributes, err := r.from.Attributes()
	if err != nil {
		return err
	}
	return CreateWhole(ctx, files, name, 0o600, func(ctx context.Context, kept File, _ string) error {
		if err := kept.SetAttributes(attributes); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		} // where it cannot be the store's owner's, it is the writer's alone
		if _, err := kept.WriteAt(r.Head, 0); err != nil {
			return volume.WriteError(err, len(r.Head), 0)
		}
		start := int64(len(r.Head))
		out := volume.WatchWriter(ctx, &sparseWriter{file: kept, offset: start})
		if err := volume.CopyRange(out, r.from, r.Offset, r.Length); err != nil {
			return err
		}
		return kept.Truncate(start + r.Length)
	})
}

// RemoveRemnant removes a remnant of which nothing is left to decide upon.
func (l *Log) RemoveRemnant(ctx context.Context, name string) (err error) {
	at := l.Place()
	release, err := heldFor(ctx, at.Files)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	name = Beside(at.Name, name)
	return errors.Join(at.Files.Remove(name), at.Files.SyncDirectory(name))
}

// renameRemnant gives a remnant the first name of its new store's that is free.
func renameRemnant(name, store string, along func(remnant, moved string) error) (moved string, err error) {
	epoch, _ := volume.RemnantEpoch(name)
	for n := 1; ; n++ {
		moved = remnantName(store, epoch, n)
		if err = along(name, moved); !errors.Is(err, fs.ErrExist) {
			return moved, err
		}
	}
}
