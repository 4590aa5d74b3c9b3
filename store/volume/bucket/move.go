package bucket

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"syscall"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/objects"
)

// A store gets another name in steps: its object becomes a tombstone that has all that it had
// and says where to; the new name is made; the tombstone is spent. Who finds a tombstone takes
// the steps that are left. Extents are named after the store, and stay where they are.
//
// Whether a move comes about is decided at the new name, by the first who changes what was there
// when it began. What the others find there tells them which, until the store leaves that name:
// so it names the one it comes from, and who changes it for the first time sees to it before
// that the tombstone there is spent.
//
// A spent tombstone stays for some time. So a request that makes a name, and arrives late, when
// what it made has gone again, does not bring that back: something stands there.

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
	for id := ""; ; {
		before, err := v.free(ctx, to)
		if err != nil {
			return err
		}
		found, err := v.read(ctx, from, "")
		if err == nil && id != "" && found.ID != id {
			err = errOther
		}
		if err != nil {
			return err
		}
		id = found.ID
		goes, returns := moved{To: to}, false
		if before != nil {
			goes.Over, returns = before.tag, before.ID == id
		}
		tombstone, err := v.bury(ctx, found, goes, returns)
		if err == nil {
			_, err = v.finish(ctx, tombstone)
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		// It is where it was. What came to the new name may have left it again.
	}
}

// free is the spent tombstone at a key, and nil where nothing is. It fails with fs.ErrExist
// where a store is.
func (v *Volume) free(ctx context.Context, key string) (*stored, error) {
	for {
		found, err := v.read(ctx, key, "")
		if err == nil && found.moved != nil {
			found, err = v.finish(ctx, found)
		}
		switch {
		case errors.Is(err, objects.ErrNotFound):
			return nil, nil
		case err != nil:
			return nil, err
		case found.moved == nil:
			return nil, fs.ErrExist
		case found.moved.Spent:
			return found, nil
		}
	}
}

// bury makes a tombstone of a store object; it is spent where that goes nowhere. One that returns
// to where it was is marked, so that it is not taken for what it was then.
func (v *Volume) bury(ctx context.Context, found *stored, goes moved, returns bool) (*stored, error) {
	goes.When, goes.By, goes.Spent = v.options.Now().UnixNano(), newWriter(), goes.To == ""
	tombstone, err := v.swapBlind(ctx, found, func(ctx context.Context, newest *stored) (*stored, error) {
		if newest.moved != nil {
			return nil, errMovedAway
		}
		next := newest.next(newest.Modified)
		next.moved = &goes
		switch {
		case newest.large, newest.copied():
			if err := v.endsWithState(ctx, newest); err != nil && !goes.Spent {
				return nil, err
			}
			return next, v.settleIn(ctx, next, newest)
		case returns:
			return next, v.mark(ctx, next, newest)
		}
		return next, nil
	})
	if err == nil && goes.Spent {
		v.noteRemoved(ctx, tombstone)
	}
	return tombstone, err
}

// swapBlind swaps an object whatever is in it.
func (v *Volume) swapBlind(ctx context.Context, found *stored, build func(context.Context, *stored) (*stored, error)) (*stored, error) {
	swap := swapping{volume: v, writer: newWriter(), blind: true, build: build}
	put, _, err := swap.run(ctx, found)
	return put, err
}

// finish takes the steps that are left of a move, and returns what stands there then: a spent
// tombstone, or what somebody else has put there since. It fails with fs.ErrExist, and has the
// store where it was, where the name is taken to which it was to go.
//
// Several may finish one move, and some of them late, when the store has left again. Its count
// of changes tells whether it has been there.
func (v *Volume) finish(ctx context.Context, tombstone *stored) (*stored, error) {
	goes := tombstone.moved
	if goes.Spent {
		return tombstone, nil
	}
	next := *tombstone
	next.key, next.tag, next.moved = goes.To, "", nil
	next.From, next.Writers = tombstone.key, nil // who commits at another key looks there for what arrived
	next.Change++
	if next.line.Log != "" {
		next.line.Owner = next.key
	}
	_, err := v.createOver(ctx, &next, goes.Over)
	taken := errors.Is(err, volume.ErrExists)
	if err != nil && !taken {
		return nil, err
	}
	spent := moved{When: goes.When, By: goes.By, Spent: true}
	last, err := v.swapBlind(ctx, tombstone, func(ctx context.Context, newest *stored) (*stored, error) {
		if newest.moved == nil || *newest.moved != *goes {
			return nil, errNotNow
		}
		last := newest.next(newest.Modified)
		if last.moved = nil; taken {
			return last, v.mark(ctx, last, newest)
		}
		last.moved = &spent
		return last, nil
	})
	if errors.Is(err, errNotNow) || errors.Is(err, errOther) || errors.Is(err, errMovedAway) {
		last, err = v.read(ctx, tombstone.key, "") // somebody else has
	}
	if taken && !(err == nil && last.moved != nil && *last.moved == spent) {
		err = errors.Join(fs.ErrExist, err)
	}
	return last, err
}

// arrive takes the last step of the move that brought a store to where it is, should that be
// left: afterwards it may change, or leave. Else who took that step later would not know what
// he finds at its name, and bring it back where it was. Who may not see the former name goes on:
// as a rule nothing is left.
func (v *Volume) arrive(ctx context.Context, s *stored) error {
	if s.From == "" {
		return nil
	}
	former, err := v.read(ctx, s.From, "")
	if err == nil && former.moved == nil && former.ID == s.ID && former.Change < s.Change {
		former, err = v.read(ctx, s.From, "") // that was an older answer, which does not come twice
	}
	if err == nil {
		err = v.conclude(ctx, former)
	}
	if errors.Is(err, objects.ErrNotFound) || errors.Is(err, objects.ErrDenied) || errors.Is(err, volume.ErrNotStore) {
		return nil
	}
	return err
}

// conclude is finish for who need not know what stands there then.
func (v *Volume) conclude(ctx context.Context, found *stored) error {
	if found.moved == nil {
		return nil
	}
	_, err := v.finish(ctx, found)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// finishAt is finish for what was found at a key.
func (v *Volume) finishAt(ctx context.Context, key string) error {
	found, err := v.read(ctx, key, "")
	if err == nil {
		err = v.conclude(ctx, found)
	}
	if errors.Is(err, objects.ErrNotFound) {
		return nil
	}
	return err
}

// tombstoneAge is how long a spent tombstone stays.
const tombstoneAge = time.Hour

// clear removes a spent tombstone when its time is over, where nothing else can be removed
// in its place.
func (v *Volume) clear(ctx context.Context, t head, key string) {
	if v.options.KeepTombstones || v.options.Now().Sub(t.info.Modified) < tombstoneAge {
		return
	}
	_ = v.once(ctx, func(ctx context.Context) error {
		return v.objects.Delete(ctx, key, objects.Condition{Match: t.tag})
	})
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
	if err := ctx.Err(); err != nil {
		return failure("remove", name, err)
	}
	_, err = l.volume.bury(context.WithoutCancel(ctx), found, moved{}, false)
	if errors.Is(err, errMovedAway) {
		err = fs.ErrNotExist
	}
	l.mu.Lock()
	if turn := l.turn; err == nil && turn != nil {
		l.turn = nil
	}
	l.mu.Unlock()
	return failure("remove", name, err)
}
