package bucket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"rvffs/store/volume"
)

// turn is a moment at which another actor is let go on, and which one, in the order in which
// they wait, or, of -1, at which the first one dies.
type turn struct{ at, to int }

const dies = -1

// switching lets an actor go on as long as it can, but at some turns. It notes which turns
// there may be at each moment.
func switching(s *schedule, turns []turn) (possible *[][]int) {
	possible = new([][]int)
	current := 0
	s.dead = map[int]bool{}
	s.choose = func(n int) int { // the caller holds s.mu
		at := len(*possible)
		mine := slices.IndexFunc(s.waiting, func(w *waitingRequest) bool { return w.actor == current })
		mine = max(mine, 0)
		var may []int
		for to := 1; to < n; to++ {
			may = append(may, to)
		}
		if s.waiting[mine].actor == 0 {
			may = append(may, dies)
		}
		*possible = append(*possible, may)
		i := slices.IndexFunc(turns, func(t turn) bool { return t.at == at })
		switch {
		case i >= 0 && turns[i].to == dies:
			s.dead[0] = true // this request does not arrive
		case i >= 0:
			mine = (mine + turns[i].to) % n
		}
		current = s.waiting[mine].actor
		return mine
	}
	return possible
}

// naming is a world in which several make, move and remove stores.
type naming struct {
	*world
	first   string          // id of the store that is there at the beginning
	removed bool            // as was acknowledged
	made    map[string]bool // under which name others were, as was acknowledged
}

func (w *naming) volume(s *schedule, actor int) *Volume {
	return Open(gate{w.objects, s, actor}, looking(w.options))
}

// moving moves a store, until somebody says that it cannot be.
func (w *naming) moving(s *schedule, actor int, names ...string) func() {
	return func() {
		v := w.volume(s, actor)
		defer func() { _ = v.Close() }()
		for i := range names[1:] {
			if err := v.Move(context.Background(), names[i], names[i+1]); err != nil {
				if !s.isDead(actor) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) && !errors.Is(err, errMovedAway) && !errors.Is(err, errOther) {
					w.fail("move %s to %s: %w", names[i], names[i+1], err)
				}
				return
			}
		}
	}
}

// creating makes a store.
func (w *naming) creating(s *schedule, actor int, name string) func() {
	return func() {
		v := w.volume(s, actor)
		defer func() { _ = v.Close() }()
		err := v.Shelf().Create(context.Background(), name, content(w.t, 2), 0o644)
		switch {
		case err == nil:
			w.mu.Lock()
			w.made[name] = true
			w.mu.Unlock()
		case !errors.Is(err, volume.ErrExists):
			w.fail("create %s: %w", name, err)
		}
	}
}

// removing removes the first store, if it is at a name.
func (w *naming) removing(s *schedule, actor int, name string) func() {
	return func() {
		v := w.volume(s, actor)
		defer func() { _ = v.Close() }()
		log := v.Shelf().Log(name, volume.LogOptions{}).(*Log)
		_, err := log.Open(context.Background(), volume.Known{})
		defer func() { _, _ = log.Close() }()
		if err != nil || log.current == nil || log.current.ID != w.first {
			return
		}
		if err := log.Remove(context.Background(), v.Shelf()); err == nil {
			w.mu.Lock()
			w.removed = true
			w.mu.Unlock()
		}
	}
}

// makingAndRemoving makes a store and removes it.
func (w *naming) makingAndRemoving(s *schedule, actor int, name string) func() {
	return func() {
		v := w.volume(s, actor)
		defer func() { _ = v.Close() }()
		if err := v.Shelf().Create(context.Background(), name, content(w.t, 2), 0o644); err != nil {
			return
		}
		log := v.Shelf().Log(name, volume.LogOptions{}).(*Log)
		_, err := log.Open(context.Background(), volume.Known{})
		defer func() { _, _ = log.Close() }()
		if err == nil && log.current.ID != w.first {
			err = log.Remove(context.Background(), v.Shelf())
		}
		if err != nil {
			w.fail("make and remove: %w", err)
		}
	}
}

// changing changes the mode of what is at a name.
func (w *naming) changing(s *schedule, actor int, name string) func() {
	return func() {
		v := w.volume(s, actor)
		defer func() { _ = v.Close() }()
		held, err := v.Hold(context.Background(), name)
		if err == nil {
			err = held.Change(context.Background(), volume.AttributeChange{Mode: new(fs.FileMode(0o600)), UID: -1, GID: -1})
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errMovedAway) {
			w.fail("change %s: %w", name, err)
		}
	}
}

// later looks when tombstones that are spent have had their time.
func (w *naming) later(s *schedule, actor int) func() {
	return func() {
		options := w.options
		options.Now = func() time.Time { return time.Now().Add(2 * tombstoneAge) }
		v := Open(gate{w.objects, s, actor}, looking(options))
		defer func() { _ = v.Close() }()
		_, _ = w.list(v)
	}
}

// inTurn does one thing after the other.
func inTurn(all ...func()) func() {
	return func() {
		for _, each := range all {
			each()
		}
	}
}

// stand are the names under which each store stands, by id.
func (w *naming) stand() (map[string][]string, error) {
	v := Open(w.objects, looking(w.options))
	defer func() { _ = v.Close() }()
	var names []string
	for range 3 {
		var err error
		if names, err = w.list(v); err != nil {
			return nil, err
		}
	}
	at := map[string][]string{}
	for _, name := range names {
		found, err := v.read(context.Background(), name, "")
		if err != nil {
			return nil, err
		}
		at[found.ID] = append(at[found.ID], name)
	}
	return at, nil
}

// right compares what stands with what was acknowledged.
func (w *naming) right() error {
	if len(w.wrong) > 0 {
		return errors.Join(w.wrong...)
	}
	at, err := w.stand()
	if err != nil {
		return err
	}
	wanted := 1
	if w.removed {
		wanted = 0
	}
	if n := len(at[w.first]); n != wanted {
		return fmt.Errorf("the store stands at %q, and is to stand at %d", at[w.first], wanted)
	}
	for id, names := range at {
		if len(names) != 1 {
			return fmt.Errorf("a store stands at %q: %s", names, id)
		}
	}
	delete(at, w.first)
	if len(at) != len(w.made) {
		return fmt.Errorf("%d stores were made (%v), and %d are there", len(w.made), slices.Sorted(maps.Keys(w.made)), len(at))
	}
	return nil
}

// namers are who gives names at the same time.
var namers = map[string]func(w *naming, s *schedule) []func(){
	"a mover and who looks": func(w *naming, s *schedule) []func() {
		return []func(){w.moving(s, 0, "a.rvf", "b.rvf", "c.rvf"), w.lister(s, 1)}
	},
	"two movers and who looks": func(w *naming, s *schedule) []func() {
		return []func(){w.moving(s, 0, "a.rvf", "b.rvf"), w.moving(s, 1, "b.rvf", "c.rvf"), w.lister(s, 2)}
	},
	"two movers to two names": func(w *naming, s *schedule) []func() {
		return []func(){w.moving(s, 0, "a.rvf", "b.rvf"), w.moving(s, 1, "a.rvf", "c.rvf"), w.lister(s, 2)}
	},
	"a mover there and back": func(w *naming, s *schedule) []func() {
		return []func(){w.moving(s, 0, "a.rvf", "b.rvf", "a.rvf", "c.rvf"), w.lister(s, 1)}
	},
	"a mover and who makes the old name": func(w *naming, s *schedule) []func() {
		return []func(){w.moving(s, 0, "a.rvf", "b.rvf", "c.rvf"), w.creating(s, 1, "a.rvf"), w.lister(s, 2)}
	},
	"a mover there and back and who makes the old name": func(w *naming, s *schedule) []func() {
		return []func(){w.moving(s, 0, "a.rvf", "b.rvf", "a.rvf"), w.creating(s, 1, "a.rvf")}
	},
	"a mover and who makes the new name": func(w *naming, s *schedule) []func() {
		return []func(){w.moving(s, 0, "a.rvf", "b.rvf", "c.rvf"), w.creating(s, 1, "b.rvf"), w.lister(s, 2)}
	},
	"a mover and who makes and removes the new name": func(w *naming, s *schedule) []func() {
		return []func(){w.moving(s, 0, "a.rvf", "b.rvf"), w.makingAndRemoving(s, 1, "b.rvf"), w.lister(s, 2)}
	},
	"a mover, and who moves on and makes the new name": func(w *naming, s *schedule) []func() {
		return []func(){w.moving(s, 0, "a.rvf", "b.rvf"), inTurn(w.moving(s, 1, "b.rvf", "c.rvf"), w.creating(s, 1, "b.rvf"))}
	},
	"a mover, and who removes and makes the new name": func(w *naming, s *schedule) []func() {
		return []func(){w.moving(s, 0, "a.rvf", "b.rvf"), inTurn(w.removing(s, 1, "b.rvf"), w.creating(s, 1, "b.rvf"))}
	},
	"a mover, and who changes it, moves on and makes the new name": func(w *naming, s *schedule) []func() {
		return []func(){w.moving(s, 0, "a.rvf", "b.rvf"), inTurn(w.changing(s, 1, "b.rvf"), w.moving(s, 1, "b.rvf", "c.rvf"), w.creating(s, 1, "b.rvf"))}
	},
	"a mover, and who moves on and looks later": func(w *naming, s *schedule) []func() {
		return []func(){w.moving(s, 0, "a.rvf", "b.rvf"), inTurn(w.moving(s, 1, "b.rvf", "c.rvf"), w.later(s, 1))}
	},
	"a mover, and who removes and looks later": func(w *naming, s *schedule) []func() {
		return []func(){w.moving(s, 0, "a.rvf", "b.rvf"), inTurn(w.removing(s, 1, "b.rvf"), w.later(s, 1))}
	},
	"a mover and who removes": func(w *naming, s *schedule) []func() {
		return []func(){w.moving(s, 0, "a.rvf", "b.rvf"), w.removing(s, 1, "b.rvf"), w.lister(s, 2)}
	},
}

// TestEveryOrderOfMoves tries all orders in which the actors are interrupted at most some
// times, wherever that is, and the first of them may die there: each store then stands at one
// name.
func TestEveryOrderOfMoves(t *testing.T) {
	t.Parallel()
	for name, cast := range namers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				most := 2
				switch {
				case testing.Short():
					most = 1
				case patience > 0:
					most = 3
				}
				runs, bad := 0, 0
				var try func(turns []turn)
				try = func(turns []turn) {
					w := &naming{world: newWorld(t, Options{}), made: map[string]bool{}}
					v := Open(w.objects, looking(w.options))
					found, err := v.read(t.Context(), "a.rvf", "")
					if err = errors.Join(err, v.Close()); err != nil {
						t.Fatal(err)
					}
					w.first = found.ID
					s := &schedule{}
					possible := switching(s, turns)
					s.run(cast(w, s)...)
					runs++
					if err := w.right(); err != nil {
						if bad++; bad <= 3 {
							t.Errorf("turns %v: %v", turns, err)
						}
					}
					if len(turns) == most {
						return
					}
					from := 0
					if len(turns) > 0 {
						from = turns[len(turns)-1].at + 1
					}
					for at := from; at < len(*possible); at++ {
						for _, to := range (*possible)[at] {
							try(append(slices.Clone(turns), turn{at, to}))
						}
					}
				}
				try(nil)
				t.Logf("%d orders, %d wrong", runs, bad)
			})
		})
	}
}
