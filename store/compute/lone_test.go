package compute

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"rvffs/segments"
	"rvffs/store/log"
	"rvffs/store/memory"
	"rvffs/store/state"
	"rvffs/store/stream"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
	volumes "rvffs/store/volume/memory"
)

// loneImages are images in a log that belongs to no store.
type loneImages struct {
	*Images
	*state.Head
}

func newImages(t testing.TB) *loneImages {
	t.Helper()
	at := filelog.Place{Files: volumes.New(), Name: "a.rvf"}
	content, _, err := volume.Lay(0, 1, 1, nil, &segments.Manifest{Epoch: 1, Dimension: 2})
	if err == nil {
		var file filelog.File
		if file, err = at.Files.Create(at.Name, 0o644); err == nil {
			_, err = file.WriteAt(content, 0)
			err = errors.Join(err, file.Close())
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	where := filelog.New(at, volume.LogOptions{})
	version, err := where.Open(t.Context(), volume.Known{})
	if err != nil {
		t.Fatal(err)
	}
	budget := memory.NewBudget(64 << 20)
	head := state.NewHead(where, version, nil, state.BackingOptions{Memory: budget})
	writable := func(ctx context.Context, s *state.Snapshot) error { return s.Writable(ctx) }
	l := log.New(log.Environment{
		File: where, Head: head, Writable: writable, Clock: time.Now, Published: func(*state.Snapshot) {},
		Keep: func(context.Context, volume.Bytes, *state.Snapshot) error { return nil },
	})
	name := func() string { return at.Name }
	images := New(Environment{
		Name: name, Log: l, Snapshot: head.Look, Writable: writable, Memory: budget, Streams: stream.NewRegister(name, func(context.Context, state.Origin) error { return nil }),
		Commit: func(ctx context.Context, session *log.Session, c log.Change) (uint32, error) {
			return session.Commit(ctx, c)
		},
		Spool: where.Spool,
	})
	return &loneImages{images, head}
}

// put writes a part in pieces, as a program does that closes its file.
func put(t testing.TB, s *loneImages, part Part, content []byte) error {
	t.Helper()
	ctx := context.Background()
	stream, err := s.OpenEmbed(ctx, part, EmbedOptions{})
	if err != nil {
		return err
	}
	for piece := range slices.Chunk(content, 40_000) {
		if _, err = stream.Write(ctx, piece); err != nil {
			break
		}
	}
	if err == nil {
		err = stream.Flush(ctx)
	}
	return errors.Join(err, stream.Close(ctx))
}
