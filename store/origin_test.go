package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"rvffs/store/compute"
	"rvffs/store/ingest"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// writerKinds are the ways to change a store that was opened before: each gives what
// it is to do again and again, and how to end.
var writerKinds = map[string]func(t *testing.T, s *Store) (change func(round int) error, end func() error){
	"append": func(t *testing.T, s *Store) (func(int) error, func() error) {
		stream, err := s.OpenAppend(context.Background(), ingest.StreamOptions{Format: vecio.RawF32})
		if err != nil {
			t.Fatal(err)
		}
		return func(round int) error {
			row := binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(round)))
			_, err := stream.Write(context.Background(), append(row, row...))
			return errors.Join(err, stream.Flush(context.Background()))
		}, func() error { return stream.Close(context.Background()) }
	},
	"delete": func(t *testing.T, s *Store) (func(int) error, func() error) {
		stream, err := s.OpenDelete(context.Background(), vecio.AutoIDs, nil)
		if err != nil {
			t.Fatal(err)
		}
		return func(round int) error {
			_, err := stream.Write(context.Background(), []byte{'0' + byte(round), '\n'})
			return errors.Join(err, stream.Flush(context.Background()))
		}, func() error { return stream.Close(context.Background()) }
	},
	"embed": func(t *testing.T, s *Store) (func(int) error, func() error) {
		stream, err := s.OpenEmbed(context.Background(), compute.PartKernelImage, compute.EmbedOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return func(int) error {
			_, err := stream.Write(context.Background(), bytes.Repeat([]byte("image"), 100))
			return errors.Join(err, stream.Flush(context.Background()))
		}, func() error { return stream.Close(context.Background()) }
	},
	"compact": func(_ *testing.T, s *Store) (func(int) error, func() error) {
		ctx := state.OnlyIn(context.Background(), s.Current().Origin())
		return func(int) error {
			_, err := s.Compact(ctx)
			return err
		}, func() error { return nil }
	},
}

// storeOfThree makes a store with the ids 0 to 2 among files.
func storeOfThree(t *testing.T, files *volumes.Files, name string) {
	t.Helper()
	s, err := Create(context.Background(), name, CreateOptions{Dimension: 2}, Options{Shelf: filelog.Shelf{Files: files}})
	if err != nil {
		t.Fatal(err)
	}
	bring(t, s, nil, 1, 2, 3, 4, 5, 6)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestWritersStayWithTheirFile puts another store in the place of the one that was
// opened: before anything was written, and between two commits. No byte of the other
// may change, whoever looks at the store meanwhile.
func TestWritersStayWithTheirFile(t *testing.T) {
	t.Parallel()
	for kind, open := range writerKinds {
		for _, commits := range []int{0, 1} {
			// Nobody looks at the store meanwhile; somebody does; somebody writes to it.
			for _, meanwhile := range []string{"nothing", "a look", "a session"} {
				files := volumes.New()
				storeOfThree(t, files, "a.rvf")
				storeOfThree(t, files, "other.rvf")
				// Its end is torn, so that there is something to be cut off.
				torn, err := files.Open("other.rvf", true)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := torn.WriteAt([]byte("torn"), int64(len(files.Content("other.rvf")))); err != nil {
					t.Fatal(err)
				}
				s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
				if err != nil {
					t.Fatal(err)
				}
				change, end := open(t, s)
				for round := range commits {
					if err := change(round); err != nil {
						t.Fatalf("%s: %v", kind, err)
					}
				}
				before := bytes.Clone(files.Content("other.rvf"))
				if err := files.Rename("other.rvf", "a.rvf"); err != nil {
					t.Fatal(err)
				}
				if meanwhile != "nothing" {
					if _, err := s.Snapshot(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
				release := func() error { return nil }
				if meanwhile == "a session" {
					release = occupy(t, s)
					before = bytes.Clone(files.Content("a.rvf"))
				}
				if err := change(commits); !errors.Is(err, volume.ErrStale) {
					t.Errorf("%s after %d commits and %s: %v, want %v", kind, commits, meanwhile, err, volume.ErrStale)
				}
				_ = end()
				if !bytes.Equal(before, files.Content("a.rvf")) {
					t.Errorf("%s after %d commits: the other store was changed", kind, commits)
				}
				if err := errors.Join(release(), s.Close()); err != nil {
					t.Error(err)
				}
				if len(files.Names) != 1 {
					t.Errorf("%s: litter stayed: %v", kind, files.Names)
				}
			}
		}
	}
}

// occupy makes this process write to the store until release is called.
func occupy(t *testing.T, s *Store) (release func() error) {
	t.Helper()
	appender := s.NewAppender()
	if err := appender.Join(context.Background()); err != nil {
		t.Fatal(err)
	}
	return appender.Rollback
}

// TestWritersFollowCompactions compacts between the commits of each, and has another
// program write the same file anew.
func TestWritersFollowCompactions(t *testing.T) {
	t.Parallel()
	for kind, open := range writerKinds {
		files := volumes.New()
		storeOfThree(t, files, "a.rvf")
		s, err := Open(context.Background(), "a.rvf", Options{Shelf: filelog.Shelf{Files: files}})
		if err != nil {
			t.Fatal(err)
		}
		change, end := open(t, s)
		for round := range 3 {
			if _, err := s.Compact(context.Background()); err != nil {
				t.Fatal(err)
			}
			if err := change(round); err != nil {
				t.Errorf("%s, round %d: %v", kind, round, err)
			}
		}
		storeOfThree(t, files, "new.rvf")
		content := files.Content("new.rvf")
		file, err := files.Open("a.rvf", true)
		if err != nil {
			t.Fatal(err)
		}
		if err := file.Truncate(0); err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt(content, 0); err != nil {
			t.Fatal(err)
		}
		release := occupy(t, s)
		if err := change(1); err != nil {
			t.Errorf("%s, written anew: %v", kind, err)
		}
		if err := errors.Join(end(), release(), s.Close()); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestWritersByNameFollowTheStore has another program compact a store between opening a stream
// and its first byte, as happens while it waits for the lock, or put another store in its place.
func TestWritersByNameFollowTheStore(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, kind := range []string{"append", "delete"} {
		for _, c := range []struct {
			name   string
			byName bool
			other  bool // another store comes in its place
			want   error
		}{
			{"compacted, by name", true, false, nil},
			{"compacted, by file", false, false, volume.ErrStale},
			{"another, by name", true, true, volume.ErrStale},
		} {
			files := volumes.New()
			shelf := filelog.Shelf{Files: files}
			storeOfThree(t, files, "a.rvf")
			s, err := Open(ctx, "a.rvf", Options{Shelf: shelf, ByName: c.byName})
			if err != nil {
				t.Fatal(err)
			}
			change, end := writerKinds[kind](t, s)
			if c.other {
				storeOfThree(t, files, "other.rvf")
				err = files.Rename("other.rvf", "a.rvf")
			} else {
				var compactor *Store
				if compactor, err = Open(ctx, "a.rvf", Options{Shelf: shelf}); err == nil {
					_, err = compactor.Compact(ctx)
					err = errors.Join(err, compactor.Close())
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			before := bytes.Clone(files.Content("a.rvf"))
			if err := change(1); !errors.Is(err, c.want) {
				t.Errorf("%s, %s: %v, want %v", kind, c.name, err, c.want)
			}
			err = errors.Join(end(), s.Close())
			if changed := !bytes.Equal(before, files.Content("a.rvf")); changed != (c.want == nil) || err != nil {
				t.Errorf("%s, %s: changed is %t: %v", kind, c.name, changed, err)
			}
		}
	}
}
