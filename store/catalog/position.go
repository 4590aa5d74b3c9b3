package catalog

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
)

// position is where a folder, or the file of a store, stands: its name in a folder. It
// is guarded by the catalog's mu, so that everybody sees all places as they are at
// one moment.
type position struct {
	folder *Folder // nil for the directory itself
	name   string
	moves  uint64        // how often it got another
	moving chan struct{} // closed when the rename that is under way is over; nil without one
}

// path is the path below the backing directory. The caller holds mu.
func (p *position) path() string {
	if p.folder == nil {
		return "."
	}
	return joinPath(p.folder.place.path(), p.name)
}

// standing tells two moments apart between which a path meant something else.
type standing struct {
	path  string
	moves uint64 // of the place and of all folders above it
}

// leaf is a place as seen from the folder that holds it open, whose own path does not
// matter then.
type leaf struct {
	folder *Folder
	name   string
	moves  uint64
}

// leaf is that of this moment, with the rename that is under way of the place itself. The
// caller holds mu.
func (p *position) leaf() (now leaf, moving chan struct{}) {
	return leaf{p.folder, p.name, p.moves}, p.moving
}

// standing is that of this moment, with the rename that is under way of the place or
// of a folder above it. The caller holds mu.
func (p *position) standing() (now standing, moving chan struct{}) {
	now.path = p.path()
	for at := p; ; at = &at.folder.place {
		now.moves += at.moves
		if at.moving != nil {
			moving = at.moving
		}
		if at.folder == nil {
			return now, moving
		}
	}
}

// begin notes that a place is about to be renamed; settle, that it was, or was not.
// Between the two a path may lead nowhere. The caller holds the turn and mu.
func (c *Catalog) begin(p *position) {
	p.moving = make(chan struct{})
	c.moving = p.moving
}

func (c *Catalog) settle(p *position) {
	close(p.moving)
	p.moving, c.moving = nil, nil
	p.moves++
	c.moves++
}

// moved reports whether anything was renamed since there had been so many renames, and
// waits for a rename that is under way, as long as ctx lasts.
func (c *Catalog) moved(ctx context.Context, since uint64) (bool, error) {
	c.mu.Lock()
	moving, moves := c.moving, c.moves
	c.mu.Unlock()
	if moving != nil {
		return true, awaitRename(ctx, moving)
	}
	return moves != since, nil
}

// awaitRename waits until a rename is over, which is as long as a disk takes to answer,
// or until ctx ends.
func awaitRename(ctx context.Context, moving <-chan struct{}) error {
	select {
	case <-moving:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pathOf is the path of a place at this moment.
func (c *Catalog) pathOf(p *position) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return p.path()
}

// follow runs act with the path of a place. When that leads nowhere because the place
// was renamed meanwhile, or is being renamed, act runs again with the new one. Who waits
// for a rename waits no longer than ctx lasts.
func (c *Catalog) follow(ctx context.Context, p *position, act func(path string) error) error {
	return atPlace(ctx, c, p.standing, func(now standing) error { return act(now.path) })
}

// atPlace runs act where something stands, and again while there is nothing because that
// was renamed meanwhile, or is being renamed. Stands is called with mu held.
func atPlace[T comparable](ctx context.Context, c *Catalog, stands func() (T, chan struct{}), act func(T) error) error {
	for {
		c.mu.Lock()
		before, _ := stands()
		c.mu.Unlock()
		err := act(before)
		if !vanished(err) {
			return err
		}
		c.mu.Lock()
		now, moving := stands()
		c.mu.Unlock()
		if moving != nil {
			if ended := awaitRename(ctx, moving); ended != nil {
				return ended
			}
		} else if now == before {
			return err
		}
	}
}

// vanished reports whether an operation failed because there was nothing at the path.
func vanished(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
