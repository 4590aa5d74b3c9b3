package bucket

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	"rvffs/store/memory"
	"rvffs/store/volume"
	"rvffs/store/volume/bucket/metered"
	"rvffs/store/volume/bucket/objects"
)

// swapping puts other objects in the place of a store object, each on condition that the one
// is still there that it was made of.
type swapping struct {
	volume *Volume
	writer string // among those that commit
	memory *memory.Budget
	// build makes the next object of the newest one that is known. Its error ends the swap.
	build func(ctx context.Context, newest *stored) (*stored, error)
	blind bool          // what is in the object does not matter
	lost  int           // how often somebody else was faster
	spent time.Duration // of the time in which it is tried, which building does not count for
}

// numbers are those of this process's commits.
var numbers atomic.Uint64

// run swaps, beginning with an object that is known, and returns the one that was put there
// and the newest: another one where somebody else has swapped since.
//
// Whatever the answer is but success, it is looked what is there. A swap that had arrived is
// over, and one that had not is sent again as it is, so that whichever of the two arrives, it
// is the same. It is made anew only when another object is there, and so the condition of
// what may be under way can never hold again.
func (s *swapping) run(ctx context.Context, known *stored) (put, newest *stored, err error) {
	number := numbers.Add(1)
	for {
		if err := s.volume.arrive(ctx, known); err != nil {
			return nil, known, err
		}
		next, err := s.build(ctx, known)
		if err != nil {
			return nil, known, err
		}
		next.says(s.writer, number)
		asked := time.Now()
		if next.large {
			put, newest, err = s.replaceLong(ctx, known, next, number)
		} else {
			put, newest, err = s.replace(ctx, known, next, number)
		}
		switch meter := s.volume.options.Meter; {
		case err != nil:
			meter.Swapped(metered.Failed)
			return put, newest, err
		case put != nil:
			meter.Swapped(metered.Made)
			s.volume.published(newest, asked)
			return put, newest, nil
		default:
			meter.Swapped(metered.Beaten)
		}
		s.lost++
		known = newest
	}
}

// replace puts an object in the place of the known one. Without an error, and without what was
// put, somebody else was faster, and newest is his.
func (s *swapping) replace(ctx context.Context, known, next *stored, number uint64) (put, newest *stored, err error) {
	v := s.volume
	begun := time.Now()
	deadline, stop := context.WithTimeout(ctx, v.options.CommitTimeout-s.spent)
	defer func() {
		stop()
		s.spent += time.Since(begun)
	}()
	content := next.content()
	meta := next.metadata(content)
	for try := 1; ; try++ {
		var tag objects.Tag
		last := v.once(deadline, func(ctx context.Context) (err error) {
			tag, err = v.objects.Put(ctx, known.key, content, meta, objects.Condition{Match: known.tag})
			return err
		})
		if last == nil {
			next.tag = tag
			return next, next, nil
		}
		found, err := s.look(deadline, known, try)
		if err != nil {
			return nil, known, s.tooLate(ctx, deadline, errors.Join(err, last))
		}
		if put, newest, over, err := s.becameOf(known, next, found, number, last); over {
			return put, newest, err
		}
		if errors.Is(last, objects.ErrDenied) {
			return nil, known, last
		}
		// It did not arrive, or is still under way: the same once more.
	}
}

// becameOf says what became of an object that was to be put, by what is found there, and which
// one is the newest. It is not over while the former one is there.
func (s *swapping) becameOf(known, next, found *stored, number uint64, last error) (put, newest *stored, over bool, err error) {
	arrived, sure := found.arrived(s.writer, number, next.Change)
	switch {
	case found.ID == known.ID && !sure:
		err = fmt.Errorf("%w: so many others have committed meanwhile that nobody knows whether the commit is there: %w", syscall.EIO, last)
	case found.ID == known.ID && arrived && found.Change == next.Change:
		next.tag = found.tag
		return next, next, true, nil
	case found.ID == known.ID && arrived:
		return next, found, true, nil
	case found.tag == known.tag && found.Change == known.Change:
		return nil, found, false, nil
	case found.ID != known.ID:
		err = errOther
	case found.moved != nil && !s.blind:
		err = errMovedAway
	}
	return nil, found, true, err
}

// tooLate says which error it is when the time is up.
func (s *swapping) tooLate(ctx, deadline context.Context, err error) error {
	switch {
	case deadline.Err() == nil || ctx.Err() != nil:
		return err
	case s.lost > 0 && !s.volume.silence.lasts():
		return fmt.Errorf("%w: others have committed all the time: %w", volume.ErrHeld, err)
	}
	return fmt.Errorf("%w, and the commit may be there or not", s.volume.unanswered(err))
}

// look reads what is there, and takes no older answer than the one that is known.
func (s *swapping) look(ctx context.Context, known *stored, try int) (*stored, error) {
	v := s.volume
	for again := 0; ; again++ {
		if try > 1 || again > 0 {
			if err := v.pace.rest(ctx, try+again); err != nil {
				return nil, err
			}
		}
		found, err := v.read(ctx, known.key, "")
		if err == nil && !s.blind && found.moved == nil {
			err = v.find(ctx, found, s.memory)
		}
		switch {
		case errors.Is(err, objects.ErrNotFound):
			// A server may forget for a moment what it has: who was removed is not there
			// the second time either.
			if again > 0 {
				return nil, errMovedAway
			}
		case err != nil && (ctx.Err() != nil || errors.Is(err, volume.ErrNotStore)):
			return nil, err
		case err != nil:
		case found.ID != known.ID || found.Change >= known.Change:
			return found, nil
		}
	}
}

// readWhole is read with the newest state in it.
func (v *Volume) readWhole(ctx context.Context, key string, known objects.Tag, budget *memory.Budget) (*stored, error) {
	s, err := v.read(ctx, key, known)
	if err != nil || s.moved != nil {
		return s, err
	}
	return s, v.find(ctx, s, budget)
}

// create puts an object where none is. Exists means that one is there that is not this one.
func (v *Volume) create(ctx context.Context, s *stored) (*stored, error) {
	deadline, stop := context.WithTimeout(ctx, v.options.CommitTimeout)
	defer stop()
	s.home = v.logOf(s.ID)
	content := s.content()
	meta := s.metadata(content)
	for try := 1; ; try++ {
		var tag objects.Tag
		err := v.once(deadline, func(ctx context.Context) (err error) {
			tag, err = v.objects.Put(ctx, s.key, content, meta, objects.Condition{None: true})
			return err
		})
		if err == nil {
			s.tag = tag
			return s, nil
		}
		if try > 1 {
			if v.pace.rest(deadline, try) != nil {
				return nil, v.late(ctx, err)
			}
		}
		found, looked := v.read(deadline, s.key, "")
		switch {
		case looked == nil && found.ID == s.ID && found.Change >= s.Change:
			return found, nil // also where it has left again since
		case looked == nil && found.moved != nil:
			found, err = v.finish(deadline, found)
			switch {
			case errors.Is(err, objects.ErrNotFound):
			case err != nil:
				return nil, err
			case found.moved == nil:
				return nil, volume.ErrExists
			case found.moved.Spent:
				return v.createOver(ctx, s, found.tag)
			}
		case looked == nil, errors.Is(looked, volume.ErrNotStore):
			return nil, volume.ErrExists
		case deadline.Err() != nil:
			return nil, v.late(ctx, err)
		case !errors.Is(looked, objects.ErrNotFound), errors.Is(err, objects.ErrDenied):
			return nil, errors.Join(looked, err)
		}
	}
}

// createOver puts an object in the place of a spent tombstone of this tag, or where none is.
// Exists means that something else is there, or was.
func (v *Volume) createOver(ctx context.Context, s *stored, tombstone objects.Tag) (*stored, error) {
	deadline, stop := context.WithTimeout(ctx, v.options.CommitTimeout)
	defer stop()
	content := s.content()
	others := 0
	for try := 1; ; try++ {
		var tag objects.Tag
		err := v.once(deadline, func(ctx context.Context) (err error) {
			tag, err = v.objects.Put(ctx, s.key, content, s.metadata(content), objects.Condition{Match: tombstone, None: tombstone == ""})
			return err
		})
		if err == nil {
			s.tag = tag
			return s, nil
		}
		if try > 1 && v.pace.rest(deadline, try) != nil {
			return nil, v.late(ctx, err)
		}
		found, looked := v.read(deadline, s.key, "")
		nothing := errors.Is(looked, objects.ErrNotFound)
		switch {
		case looked == nil && found.ID == s.ID && found.Change >= s.Change:
			return found, nil
		case looked == nil && found.tag != tombstone, errors.Is(looked, volume.ErrNotStore), nothing && tombstone != "":
			// An older answer says that as well, and does not come twice.
			if others++; others > 1 {
				return nil, volume.ErrExists
			}
		case deadline.Err() != nil:
			return nil, v.late(ctx, err)
		case errors.Is(err, objects.ErrDenied), looked != nil && !nothing:
			return nil, errors.Join(looked, err)
		}
	}
}
