package catalog

import (
	"context"
	"fmt"

	"rvffs/store/state"
	"rvffs/store/volume"
)

// IdentifyCallers has identify find out for whom an operation is done. Without it
// all are done for the user of this process, who sees everything. It must be set
// before the first operation.
func (c *Catalog) IdentifyCallers(identify func(context.Context) volume.Caller) {
	c.identify = identify
}

// shared reports whether not everybody who asks sees everything.
func (c *Catalog) shared() bool { return c.identify != nil }

// caller is for whom an operation is done.
func (c *Catalog) caller(ctx context.Context) volume.Caller {
	if kept, known := ctx.Value(keptCaller{}).(volume.Caller); known {
		return kept
	}
	if c.identify == nil {
		return volume.Caller{}
	}
	return c.identify(ctx)
}

// as are the files with the rights of the one for whom an operation is done.
func (c *Catalog) as(ctx context.Context) volume.Folder { return c.volume.As(c.caller(ctx)) }

// SeesAll reports whether an operation is done for somebody from whom nothing is kept.
func (c *Catalog) SeesAll(ctx context.Context) bool { return c.caller(ctx).Trusted() }

// MayRead reports whether the one for whom an operation is done may read the store in
// file, if that still belongs to owner.
func (c *Catalog) MayRead(ctx context.Context, file string, owner uint32) bool {
	info, err := c.as(ctx).Allow(ctx, file, volume.Read)
	return err == nil && info.UID == owner
}

// KeepCaller gives a way to let later operations, whoever asks for them, be done for
// the one who asks now: who opened a file says what may be done with the descriptor.
func (s *Store) KeepCaller(ctx context.Context) func(context.Context) context.Context {
	return s.catalog.KeepCaller(ctx)
}

// KeepCaller is that of a store, for what is about no single one.
func (c *Catalog) KeepCaller(ctx context.Context) func(context.Context) context.Context {
	caller := c.caller(ctx)
	return func(later context.Context) context.Context { return context.WithValue(later, keptCaller{}, caller) }
}

// keptCaller is the key of a context's value, a volume.Caller.
type keptCaller struct{}

// Allow fails unless the one for whom an operation is done may do with the store's
// file what is wanted, and may search every folder that it lies in.
func (s *Store) Allow(ctx context.Context, want volume.Permission) error {
	_, err := s.allow(ctx, want)
	return err
}

// AllowOf is Allow for the file that a snapshot is of. When another has taken its
// place, which may be somebody else's, the error is volume.ErrStale.
func (s *Store) AllowOf(ctx context.Context, want volume.Permission, file state.Origin) error {
	info, err := s.allow(ctx, want)
	if err == nil && info != nil && !file.Holds(*info) {
		err = fmt.Errorf("store %q: %w", s.Path(), volume.ErrOtherFile)
	}
	return err
}

// AllowNewest is AllowOf for the file that the newest state is in. What is done under
// the new context is done to that file or fails.
func (s *Store) AllowNewest(ctx context.Context, want volume.Permission) (context.Context, error) {
	if s.catalog.SeesAll(ctx) {
		return ctx, nil
	}
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		return ctx, err
	}
	return state.OnlyIn(ctx, snapshot.Origin()), s.AllowOf(ctx, want, snapshot.Origin())
}

// allow also says what file it is, nil if that was not asked.
func (s *Store) allow(ctx context.Context, want volume.Permission) (*volume.FileInfo, error) {
	info, err := s.catalog.allow(ctx, &s.place, want)
	if err != nil {
		return nil, fmt.Errorf("store %q: %w", s.Path(), err)
	}
	return info, nil
}

// Allow fails unless the one for whom an operation is done may do with the folder
// what is wanted, and may search every folder that it lies in.
func (f *Folder) Allow(ctx context.Context, want volume.Permission) error {
	if _, err := f.catalog.allow(ctx, &f.place, want); err != nil {
		return fmt.Errorf("folder %q: %w", f.Path(), err)
	}
	return nil
}

// mayChange fails unless names can be made and removed in the folder. It is asked
// before anything is begun, so that who may not has no effect at all; what the sticky
// bit says the change itself will tell.
func (f *Folder) mayChange(ctx context.Context) error {
	return f.Allow(ctx, volume.Write|volume.Search)
}

func (c *Catalog) allow(ctx context.Context, at *position, want volume.Permission) (*volume.FileInfo, error) {
	caller := c.caller(ctx)
	if caller.Trusted() {
		return nil, nil
	}
	var info volume.FileInfo
	theirs := c.volume.As(caller)
	err := c.follow(ctx, at, func(path string) (err error) {
		info, err = theirs.Allow(ctx, path, want)
		return err
	})
	return &info, err
}
