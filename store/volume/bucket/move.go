package bucket

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"syscall"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/objects"
)

// A store gets another name in steps: its object becomes a tombstone that has all that it had
// and says where to; the new name is made; the tombstone goes. Who finds a tombstone takes the
// steps that are left. Extents are named after the store, and stay where they are.

// Move implements volume.Folder. Folders stay where they are: a bucket cannot move them.
func (f *folder) Move(ctx context.Context, from, to string) error {
	source, err := f.full(from)
	if err != nil {
		return failure("move", from, err)
	}
	target, err := f.full(to)
	if err != nil {
		return failure("move", to, err)
	}
	info, err := f.describe(ctx, from)
	if err == nil {
		err = f.mayChange(ctx, source, &info)
	}
	if err == nil {
		err = f.mayChange(ctx, target, nil)
	}
	if err == nil {
		if _, taken := f.describe(ctx, to); taken == nil {
			err = fs.ErrExist
		} else if !errors.Is(taken, fs.ErrNotExist) {
			err = taken
		}
	}
	if err == nil && info.Mode.IsDir() {
		err = syscall.EXDEV
	}
	if err == nil {
		err = f.volume.keepFolder(ctx, path.Dir(source))
	}
	if err == nil {
		err = f.volume.moveObject(ctx, f.volume.prefix+source, f.volume.prefix+target)
	}
	return failure("move", from, err)
}

// moveObject gives a store another key.
func (v *Volume) moveObject(ctx context.Context, from, to string) error {
	found, err := v.read(ctx, from, "")
	if err != nil {
		return err
	}
	tombstone, err := v.bury(ctx, found, to)
	if err != nil {
		return err
	}
	return v.finish(ctx, tombstone)
}

// bury makes a tombstone of a store object.
func (v *Volume) bury(ctx context.Context, found *stored, to string) (*stored, error) {
	swap := swapping{volume: v, writer: newWriter(), blind: true, build: func(ctx context.Context, newest *stored) (*stored, error) {
		if newest.moved != nil {
			return nil, errMovedAway
		}
		next := newest.next(newest.Modified)
		if newest.large || newest.copied() {
			if err := v.settleIn(ctx, next, newest); err != nil {
				return nil, err
			}
		}
		next.moved = &moved{To: to, When: v.options.Now().UnixNano()}
		return next, nil
	}}
	put, _, err := swap.run(ctx, found)
	return put, err
}

// finish takes the steps that are left of a move or a removal. It fails with fs.ErrExist, and
// has the store where it was, where the name is taken to which it was to go.
func (v *Volume) finish(ctx context.Context, tombstone *stored) error {
	if tombstone.moved.To == "" {
		v.remove(ctx, tombstone)
		return nil
	}
	next := *tombstone
	next.key, next.tag, next.moved = tombstone.moved.To, "", nil
	next.Change++
	if next.line.Log != "" {
		next.line.Owner = next.key
	}
	_, err := v.create(ctx, &next)
	if errors.Is(err, volume.ErrExists) {
		swap := swapping{volume: v, writer: newWriter(), blind: true, build: func(_ context.Context, newest *stored) (*stored, error) {
			if newest.moved == nil || newest.moved.To != tombstone.moved.To {
				return nil, errMovedAway
			}
			back := newest.next(newest.Modified)
			back.moved = nil
			return back, nil
		}}
		_, _, late := swap.run(ctx, tombstone)
		return errors.Join(fs.ErrExist, late)
	}
	if err != nil {
		return err
	}
	v.remove(ctx, tombstone)
	return nil
}

// finishAt is finish for a tombstone that was found at a key.
func (v *Volume) finishAt(ctx context.Context, key string) error {
	found, err := v.read(ctx, key, "")
	if errors.Is(err, objects.ErrNotFound) || err == nil && found.moved == nil {
		return nil
	}
	if err == nil {
		err = v.finish(ctx, found)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// Move implements volume.Log.
func (l *Log) Move(ctx context.Context, move volume.Move) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	to := move.Shelf.(*shelf)
	in, release, err := to.folder(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	key, err := in.key(move.Name)
	if err != nil {
		return err
	}
	if err := move.GiveName(); err != nil {
		if errors.Is(err, fs.ErrExist) && !errors.Is(err, volume.ErrExists) {
			err = errors.Join(volume.ErrExists, err)
		}
		return err
	}
	l.mu.Lock()
	l.name, l.folder = move.Name, to.folder
	l.mu.Unlock()
	l.place.move(key)
	found, err := l.volume.readWhole(context.WithoutCancel(ctx), key, "", l.options.Memory)
	if err != nil {
		return nil // it is found when somebody needs it
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if found.ID == l.current.ID {
		l.take(found, true)
	}
	return nil
}

// Remove implements volume.Log.
func (l *Log) Remove(ctx context.Context, on volume.Shelf) (err error) {
	in, release, err := on.(*shelf).folder(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	name := l.Name()
	full, err := in.full(name)
	if err != nil {
		return failure("remove", name, err)
	}
	info, err := in.describe(ctx, name)
	if err == nil {
		err = in.mayChange(ctx, full, &info)
	}
	var found *stored
	if err == nil {
		found, err = l.volume.read(ctx, l.volume.prefix+full, "")
	}
	l.mu.Lock()
	current := l.current
	l.mu.Unlock()
	if err == nil && current != nil && found.ID != current.ID {
		err = errOther
	}
	if err == nil {
		err = l.volume.keepFolder(ctx, path.Dir(full))
	}
	if err != nil {
		return failure("remove", name, err)
	}
	tombstone, err := l.volume.bury(ctx, found, "")
	if errors.Is(err, errMovedAway) {
		err = fs.ErrNotExist
	}
	if err == nil {
		l.volume.remove(context.WithoutCancel(ctx), tombstone)
	}
	l.mu.Lock()
	if turn := l.turn; err == nil && turn != nil {
		l.turn = nil
	}
	l.mu.Unlock()
	return failure("remove", name, err)
}
