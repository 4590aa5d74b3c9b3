package trial

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"rvffs/store/volume/bucket/objects"
)

// competitors are as many as try one thing at once, in each of so many rounds. A server that
// has the losers wait for seconds, as SeaweedFS does, has fewer of them: it has a lock.
const (
	competitors  = 16
	rounds       = 8
	fewestRounds = 2
	longEnough   = 5 * time.Second
)

// another reports whether there is another round.
func another(round int, began time.Time) bool {
	return round < fewestRounds || round < rounds && time.Since(began) < longEnough
}

func (t *trial) makesOnce(ctx context.Context) error {
	if _, err := t.put(ctx, 0, "made", "first", objects.Condition{None: true}); err != nil {
		return err
	}
	for way := range t.ways {
		_, err := t.put(ctx, way, "made", "second", objects.Condition{None: true})
		if err := checkRefused(err); err != nil {
			return err
		}
	}
	return t.holds(ctx, "made", "first")
}

func (t *trial) swaps(ctx context.Context) error {
	_, err := t.put(ctx, 0, "never there", "first", objects.Condition{Match: `"0123456789abcdef0123456789abcdef"`})
	if err := checkRefused(err); err != nil {
		return fmt.Errorf("of what is not there: %w", err)
	}
	before, err := t.put(ctx, 0, "swapped", "first", objects.Condition{})
	if err != nil {
		return err
	}
	if _, err := t.put(ctx, 0, "swapped", "second", objects.Condition{Match: before}); err != nil {
		return err
	}
	for way := range t.ways {
		_, err := t.put(ctx, way, "swapped", "third", objects.Condition{Match: before})
		if err := checkRefused(err); err != nil {
			return err
		}
	}
	return t.holds(ctx, "swapped", "second")
}

func (t *trial) removes(ctx context.Context) error {
	before, err := t.put(ctx, 0, "removed", "first", objects.Condition{})
	if err != nil {
		return err
	}
	now, err := t.put(ctx, 0, "removed", "second", objects.Condition{})
	if err != nil {
		return err
	}
	for _, way := range t.ways {
		if err := checkRefused(way.Delete(ctx, t.key("removed"), objects.Condition{Match: before})); err != nil {
			return err
		}
	}
	if err := t.holds(ctx, "removed", "second"); err != nil {
		return err
	}
	if err := t.ways[0].Delete(ctx, t.key("removed"), objects.Condition{Match: now}); err != nil {
		return err
	}
	if _, err := t.ways[0].Get(ctx, t.key("removed"), objects.Read{}); !errors.Is(err, objects.ErrNotFound) {
		return errors.Join(errors.New("what was known was not removed"), err)
	}
	return nil
}

func (t *trial) oneMaker(ctx context.Context) error {
	for round, began := 0, time.Now(); another(round, began); round++ {
		name := fmt.Sprint("raced for ", round)
		if _, err := t.race(ctx, name, objects.Condition{None: true}); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) oneWinner(ctx context.Context) error {
	tag, err := t.put(ctx, 0, "raced", "start", objects.Condition{})
	for round, began := 0, time.Now(); err == nil && another(round, began); round++ {
		tag, err = t.race(ctx, "raced", objects.Condition{Match: tag})
	}
	return err
}

// race has all competitors change an object at once on one condition, of whom one must win.
// Whoever got no clear answer may be that one.
func (t *trial) race(ctx context.Context, name string, only objects.Condition) (objects.Tag, error) {
	t.key(name) // before all need it at once
	// Equal contents would have equal tags, and who wrote what was there before would let a
	// second one win.
	round := rand.Text()
	said := func(who int) string { return fmt.Sprint("competitor ", who, " in the round ", round) }
	outcomes := make([]error, competitors)
	var all sync.WaitGroup
	for who := range competitors {
		all.Go(func() { _, outcomes[who] = t.put(ctx, who, name, said(who), only) })
	}
	all.Wait()
	found, err := t.ways[0].Get(ctx, t.key(name), objects.Read{})
	if err != nil {
		return "", err
	}
	winners := 0
	for who, outcome := range outcomes {
		switch {
		case outcome == nil && string(found.Content) != said(who):
			return "", errors.New("who was told that he had won was overwritten by who had the same condition")
		case outcome == nil:
			winners++
		case errors.Is(outcome, objects.ErrDenied):
			return "", outcome
		}
	}
	if only.Match != "" && found.Tag == only.Match {
		return "", fmt.Errorf("nobody won of %d: %w", competitors, outcomes[0])
	}
	if winners > 1 {
		return "", fmt.Errorf("%d of %d won", winners, competitors)
	}
	return found.Tag, t.holds(ctx, name, string(found.Content))
}
