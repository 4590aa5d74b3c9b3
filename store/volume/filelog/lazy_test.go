package filelog_test

import (
	"context"
	"errors"
	"testing"

	"rvffs/segments"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	"rvffs/store/volume/memory"
)

// awayFolder is a folder that is not at hand: who asks for it waits as long as he likes to.
type awayFolder struct {
	volume.Folder
	t    *testing.T
	held int
}

func (f *awayFolder) Hold(ctx context.Context) (volume.Folder, error) {
	if ctx.Done() == nil && f.held == 0 {
		f.t.Error("the folder is waited for, and nobody can end it")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.held++
	return f.Folder, nil
}

func (f *awayFolder) Release() error {
	f.held--
	return nil
}

// TestLentFoldersAreWaitedForByWhoAsks: what is asked of a store whose folder is not open
// ends with its context, changes nothing then, and gives the folder back.
func TestLentFoldersAreWaitedForByWhoAsks(t *testing.T) {
	t.Parallel()
	files := memory.New()
	folder := &awayFolder{Folder: files.Volume(), t: t}
	shelf := filelog.ShelfOf(folder)
	log := shelf.Log("a.rvf", volume.LogOptions{Wait: -1})
	begin := volume.Beginning{Admit: func(volume.FileInfo) error { return nil }, Settle: func(*volume.Version, volume.Bytes) error { return nil }}
	content, _, err := volume.Lay(0, 1, 1, nil, &segments.Manifest{Epoch: 1, Dimension: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name string
		do   func(ctx context.Context) error
	}{
		{"make", func(ctx context.Context) error { return shelf.Create(ctx, "a.rvf", content, 0o644) }},
		{"open", func(ctx context.Context) error { _, err := log.Open(ctx, volume.Known{}); return err }},
		{"begin to write", func(ctx context.Context) error {
			session, err := log.Session(ctx, begin)
			if err != nil {
				return err
			}
			if _, err := folder.Hold(ctx); err != nil { // as a store does that is open
				return err
			}
			return errors.Join(session.End(), folder.Release())
		}},
		{"remove", func(ctx context.Context) error { return log.Remove(ctx, shelf) }},
	} {
		before := len(files.Log)
		gone, leave := context.WithCancel(t.Context())
		leave()
		if err := step.do(gone); !errors.Is(err, context.Canceled) || len(files.Log) != before {
			t.Errorf("%s for nobody: %v, %d changes", step.name, err, len(files.Log)-before)
		}
		if err := step.do(t.Context()); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if folder.held != 0 {
			t.Errorf("%s: the folder is still held", step.name)
		}
	}
}
