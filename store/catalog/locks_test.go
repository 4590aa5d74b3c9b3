package catalog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rvffs/store/rows"
	"rvffs/store/vecio"
)

// TestLocksLetEverybodyThrough: folders and stores are renamed, names are looked up for
// the first time, inode numbers are given out, engines are opened and closed, and streams
// commit, all at the same moment, and nobody waits for somebody who waits for him. With
// RVFFS_RACE_SECONDS it takes so long.
func TestLocksLetEverybodyThrough(t *testing.T) {
	t.Parallel()
	seconds := 2
	if given := os.Getenv("RVFFS_RACE_SECONDS"); given != "" {
		var err error
		if seconds, err = strconv.Atoi(given); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	// Each look at a store may close another one's engine.
	p := newPlace(t, nil, Options{OpenStores: 1, TurnWait: time.Minute, FlushInterval: 20 * time.Millisecond})
	root := p.catalog.Root()
	for _, folder := range []string{"team", "team/sub"} {
		if _, err := p.containerAt(path.Dir(folder)).(*Folder).Make(ctx, path.Base(folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	team, sub := p.find("team").Folder, p.find("team/sub").Folder
	var stores []*Store
	for i := range 3 {
		name := fmt.Sprintf("%d.rvf", i)
		in := []*Folder{team, sub, root}[i]
		entry, err := in.Make(ctx, name, 0o755)
		if err != nil {
			t.Fatal(err)
		}
		stores = append(stores, entry.Store)
	}
	// As the file system does, which makes names invalid after each commit.
	p.catalog.Observe(func(s *Store) { _ = s.Path() })

	const stored = 200
	var committed [3]atomic.Int64
	appendTo := func(i int, text string, rows int64) error {
		stream, err := stores[i].OpenAppend(ctx, vecio.JSON)
		if err != nil {
			return err
		}
		_, err = stream.Write(ctx, []byte(text))
		if err = errors.Join(err, stream.Close(ctx)); err == nil {
			committed[i].Add(rows)
		}
		return err
	}
	for i := range stores {
		var text []byte
		for id := range stored {
			text = fmt.Appendf(text, "{\"id\":%d,\"vector\":[%d,1,2,3]}\n", id, id)
		}
		if err := appendTo(i, string(text), stored); err != nil {
			t.Fatal(err)
		}
	}

	deadline := time.Now().Add(time.Duration(seconds) * time.Second)
	var working sync.WaitGroup
	var counts sync.Map
	loop := func(what string, do func(round int) error) {
		count := &atomic.Int64{}
		counts.Store(what, count)
		working.Go(func() {
			for round := 0; time.Now().Before(deadline); round++ {
				if err := do(round); err != nil {
					t.Errorf("%s: %v", what, err)
					return
				}
				count.Add(1)
			}
		})
	}
	swap := func(what string, in *Folder, one, other string) {
		loop(what, func(round int) error {
			names := []string{one, other}
			return in.Move(ctx, names[round%2], in, names[(round+1)%2])
		})
	}
	swap("mv of a folder", root, "team", "crew")
	swap("mv of a folder in it", team, "sub", "bus")
	swap("mv of a store", root, "2.rvf", "other.rvf")
	for i, s := range stores {
		loop(fmt.Sprintf("first look-ups by id %d", i), func(round int) error {
			id := uint64(round % stored)
			_, _, err := s.VectorByID(ctx, id, vecio.FileJSONL)
			return err
		})
		loop(fmt.Sprintf("numbers of new names %d", i), func(round int) error {
			name := fmt.Sprintf("segments/%d", round)
			if first, again := s.NumberOf(name), s.NumberOf(name); first != again {
				return fmt.Errorf("%s has the numbers %d and %d", name, first, again)
			}
			if number := s.VectorNumber(uint64(round)); number == s.SegmentNumber(uint64(round)) {
				return fmt.Errorf("two files have the number %d", number)
			}
			return nil
		})
		loop(fmt.Sprintf("neighbors %d", i), func(round int) error {
			_, err := s.Neighbors(ctx, uint64(round%stored))
			return err
		})
		loop(fmt.Sprintf("commits %d", i), func(int) error { return appendTo(i, "[9,9,9,9]\n", 1) })
		loop(fmt.Sprintf("looks %d", i), func(int) error {
			if _, err := s.Attributes(ctx); err != nil {
				return err
			}
			if _, _, err := s.StatusJSON(ctx); err != nil {
				return err
			}
			_, err := s.Identity(ctx)
			return err
		})
	}
	for what, in := range map[string]Container{"lists of the root": root, "lists of a folder": team} {
		loop(what, func(int) error {
			p.age()
			_, err := in.List(ctx)
			return err
		})
	}
	loop("stores that come and go", func(round int) error {
		name := fmt.Sprintf("new-%d.rvf", round)
		entry, err := sub.Make(ctx, name, 0o755)
		if err != nil {
			return err
		}
		_ = entry.Store.VectorNumber(0)
		return sub.Remove(ctx, name)
	})

	hangs := time.AfterFunc(time.Until(deadline)+time.Minute, func() { panic("somebody waits for somebody who waits for him") })
	working.Wait()
	hangs.Stop()
	counts.Range(func(what, count any) bool {
		if count.(*atomic.Int64).Load() == 0 {
			t.Errorf("%v never happened", what)
		}
		return true
	})
	for i, s := range stores {
		snapshot, err := s.Snapshot(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		live, err := rows.Count(ctx, rows.Of(snapshot))
		if want := uint64(committed[i].Load()); err != nil || live != want {
			t.Errorf("store %d holds %d vectors, acknowledged were %d, %v", i, live, want, err)
		}
	}
}

// containerAt is the folder at a path.
func (p *place) containerAt(full string) Container {
	p.Helper()
	if full == "." {
		return p.catalog.Root()
	}
	return p.find(full).Folder
}
