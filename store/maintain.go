package store

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"rvffs/lineage"
	"rvffs/store/compact"
	"rvffs/store/log"
	"rvffs/store/recovery"
	"rvffs/store/volume"
)

// Remove deletes the store's file, provided that nothing would be lost with it.
// The store must be closed afterwards. It is removed from a shelf that is its own, but
// may be reached with somebody else's rights.
func (s *Store) Remove(ctx context.Context, shelf volume.Shelf) error {
	// What stands behind the manifest must not even be cut off.
	_, some, err := s.tails.Own(ctx)
	if err != nil {
		return err
	}
	if some {
		return fmt.Errorf("%w: vectors stand behind its manifest", volume.ErrNotEmpty)
	}
	if err := s.CheckBranches(ctx); err != nil {
		return err
	}
	return s.log.Alone(ctx, s.options.turnWait(), func(session *log.Session) error {
		if err := HoldsNothing(ctx, session.Base()); err != nil {
			return err
		}
		tails, err := s.tails.Kept(ctx)
		if err != nil {
			return err
		}
		if len(tails) > 0 {
			return fmt.Errorf("%w: what stood behind its manifest is kept beside it: %s", volume.ErrNotEmpty, fileNames(tails))
		}
		if tails, err = s.tails.All(ctx); err != nil {
			return err
		}
		if err := s.file.Remove(ctx, shelf); err != nil {
			return err
		}
		for _, tail := range tails { // which only remember something of the store
			err = errors.Join(err, s.tails.Forget(ctx, tail))
		}
		return err
	})
}

// RemoveWhole deletes the store's file with all that it holds, and what was cut off it and
// kept beside it, and names the files that are gone. Nobody may be at work with it.
// The store must be closed afterwards.
func (s *Store) RemoveWhole(ctx context.Context) (removed []string, err error) {
	remove := func(*log.Session) error {
		tails, err := s.tails.All(ctx)
		if err != nil {
			return err
		}
		if err := s.file.Remove(ctx, s.shelf); err != nil {
			return err
		}
		removed = append(removed, path.Base(s.file.Name()))
		// Without the file nobody can bring back anything of these.
		for _, tail := range tails {
			if err := s.tails.Forget(ctx, tail); err != nil {
				return err
			}
			removed = append(removed, tail.File)
		}
		return nil
	}
	if errors.Is(s.Current().Writable(ctx), volume.ErrReadOnly) {
		err = remove(nil) // nobody writes to such a file
	} else {
		err = s.log.Alone(ctx, s.options.turnWait(), remove)
	}
	if err != nil {
		err = fmt.Errorf("remove store %q: %w", s.Path(), err)
	}
	return removed, err
}

// passing is how long who renames a store waits for others of this process before he looks
// what they are at.
const passing = 100 * time.Millisecond

// MoveInto gives the store a name on a shelf, which giveName does, in one step; it fails
// with fs.ErrExist when the name is taken, and then this does with ErrExists.
// What is kept beside the store goes along, each by its bare names: along fails with
// fs.ErrExist, too, and is then asked for another name. The store has its new name by
// then, whatever becomes of what is kept: OnTailLeft is told of what stays behind.
func (s *Store) MoveInto(ctx context.Context, shelf volume.Shelf, name string, giveName func() error, along func(tail, moved string) error) error {
	return s.aloneSoon(ctx, func() error {
		return s.file.Move(ctx, volume.Move{
			Shelf: shelf, Name: name, Along: along,
			GiveName: func() error {
				err := giveName()
				if err == nil {
					s.tails.Renamed()
				}
				return err
			},
			Remnants: func(ctx context.Context) (names []string, err error) {
				tails, err := s.tails.All(ctx)
				for _, tail := range tails {
					names = append(names, tail.File)
				}
				return names, err
			},
			Moved: func(remnant, moved string, err error) {
				switch {
				case err == nil:
					s.tails.WentAlong(moved)
				case s.options.OnTailLeft != nil:
					s.options.OnTailLeft(remnant, moved, err)
				}
			},
		})
	})
}

// aloneSoon runs change in a session of its own, for who keeps the kernel from letting
// anybody look into the folder before this is over. So streams commit what is whole, and
// their commits are waited for; but not what is its writer's alone to commit, nor a
// compaction.
func (s *Store) aloneSoon(ctx context.Context, change func() error) error {
	patience := time.Now().Add(s.options.turnWait())
	for {
		stays, err := s.streams.CommitAtRest(ctx)
		if err != nil {
			return err
		}
		err = s.log.Alone(ctx, min(time.Until(patience), passing), func(*log.Session) error { return change() })
		activity, _, _ := s.compactor.Progress()
		if !errors.Is(err, log.ErrBusy) || stays || activity != compact.Idle || !time.Now().Before(patience) {
			return err
		}
	}
}

// fileNames lists the files of tails.
func fileNames(tails []recovery.Tail) string {
	names := make([]string, len(tails))
	for i, tail := range tails {
		names[i] = tail.File
	}
	return strings.Join(names, ", ")
}

// SetDerivationType records another type for the derivation of this store, which
// must not hold anything yet.
func (s *Store) SetDerivationType(ctx context.Context, kind lineage.DerivationType) error {
	if err := s.setDerivationType(ctx, kind); err != nil {
		return fmt.Errorf("set the derivation type of store %q: %w", s.Path(), err)
	}
	return nil
}

func (s *Store) setDerivationType(ctx context.Context, kind lineage.DerivationType) error {
	session, err := s.log.Begin(ctx)
	if err != nil {
		return err
	}
	err = func() error {
		base := s.Current()
		if err := HoldsNothing(ctx, base); err != nil {
			if base.IsBranch() && errors.Is(err, volume.ErrNotEmpty) {
				err = fmt.Errorf("%w: a type is to be said before the store becomes a branch", err)
			}
			return err
		}
		record, known, err := base.Derivation(ctx)
		if err != nil {
			return err
		}
		if identity, _ := base.Identity(); !known {
			if identity.IsRoot() {
				return fmt.Errorf("%w: the store was not derived", volume.ErrNotPermitted)
			}
			record = lineage.Record{FileID: identity.FileID, ParentID: identity.ParentID, ParentHash: identity.ParentHash}
		}
		record.Type = kind
		encoded, err := record.AppendBinary(nil)
		if err != nil {
			return err
		}
		_, err = session.Commit(ctx, log.Change{Actions: []log.Action{log.Lineage(encoded)}})
		return err
	}()
	return errors.Join(err, session.End())
}
