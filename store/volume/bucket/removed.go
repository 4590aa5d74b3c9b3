package bucket

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/objects"
)

// A store that is removed leaves its extents: other machines may still read them, and another
// program may have copied the store's object, which names them until the copy is written to.
// Who removes the store notes the log of its extents, and so does who settles it. SweepRemoved deletes
// what was noted long ago and no object names.

// noteRemoved notes the log of a store of which a tombstone is left. Where that fails the
// extents stay for good, and nothing else.
func (v *Volume) noteRemoved(ctx context.Context, tombstone *stored) {
	if tombstone.line.Log != "" {
		_ = v.noteLeft(ctx, tombstone.log(), "")
	}
}

// noteLeft notes a log that no object names any more: all of it, or what is from before a horizon,
// where the store goes on and may name others.
func (v *Volume) noteLeft(ctx context.Context, log, horizon string) error {
	return v.putExtent(ctx, sameNameIn(removed, v.logFolder(log)), []byte(horizon))
}

// sameNameIn is what has the name of a key in another one of the hidden folders.
func sameNameIn(folder, key string) string {
	return path.Join(path.Dir(path.Dir(key)), folder, path.Base(key))
}

// Left is what a store has left in the bucket that was removed, or settled.
type Left struct {
	Log     string    `json:"log"` // the folder of its extents
	Removed time.Time `json:"removed"`
	Extents int       `json:"extents"`
	Bytes   int64     `json:"bytes"`
	// Stays is why it is not deleted; empty: it is.
	Stays string `json:"stays,omitempty"`
}

// SweepRemoved deletes what removed stores have left, a day after they were removed; with list it
// only tells. Where there is something it reads the beginning of each object of the volume once, for
// no log goes that any of them names. Copies outside of the volume are not looked for.
func (v *Volume) SweepRemoved(ctx context.Context, list bool) (found []Left, err error) {
	entries, err := v.entries(ctx, v.prefix)
	if err != nil {
		return nil, err
	}
	var noted, others []objects.Entry
	for _, entry := range entries {
		switch folder := "/" + path.Dir(entry.Key) + "/"; {
		case strings.HasSuffix(folder, "/"+hidden+"/"+removed+"/"):
			noted = append(noted, entry)
		case !strings.Contains(folder, "/"+hidden+"/"):
			others = append(others, entry)
		}
	}
	if len(noted) == 0 {
		return nil, nil
	}
	named, err := v.namedLogs(ctx, others)
	if err != nil {
		return nil, err
	}
	for _, note := range noted {
		left := Left{Log: sameNameIn(logs, note.Key), Removed: note.Modified}
		if err := v.sweepLog(ctx, &left, note.Key, named[left.Log], list); err != nil {
			return found, err
		}
		found = append(found, left)
	}
	return found, nil
}

// sweepLog deletes the extents of one log, with what was noted of it last.
func (v *Volume) sweepLog(ctx context.Context, left *Left, note string, by namer, list bool) error {
	noted, err := v.get(ctx, note, objects.Read{})
	if err != nil {
		return err
	}
	horizon, what := string(noted.Content), "removed"
	if horizon != "" {
		what = "settled"
	}
	prefix := v.logKey(left.Log)
	entries, err := v.entries(ctx, prefix)
	if err != nil {
		return err
	}
	var pins, extents []string
	for _, entry := range entries {
		switch name := entry.Key[len(prefix):]; {
		case strings.HasPrefix(name, pinPrefix):
			pins = append(pins, name)
		case horizon == "" || before(name, horizon):
			extents = append(extents, name)
			left.Bytes += entry.Size
		}
	}
	left.Extents = len(extents)
	read, err := v.pinned(ctx, left.Log, pins)
	if err != nil {
		return err
	}
	switch {
	case by.itself:
		left.Stays = by.name + " was settled, has extents again, and sees to them itself"
		if list {
			return nil
		}
		return v.deleteNote(ctx, note)
	case by.name != "":
		left.Stays = by.name + " is a copy of it that was not written to yet"
	case v.options.Now().Sub(left.Removed) < orphanAge:
		left.Stays = "it was " + what + " less than a day ago"
	case len(read) > 0:
		left.Stays = "another machine reads it"
	}
	if left.Stays != "" || list {
		return nil
	}
	for _, name := range append(extents, pins...) {
		if err := v.deleteExtent(ctx, left.Log, name); err != nil {
			return err
		}
	}
	return v.deleteNote(ctx, note)
}

func (v *Volume) deleteNote(ctx context.Context, note string) error {
	return v.send(ctx, func(ctx context.Context) error {
		return v.objects.Delete(ctx, note, objects.Condition{})
	})
}

// namer is an object that names extents of a log.
type namer struct {
	name   string // empty: none does
	itself bool   // the store's own
}

// namedLogs are the logs that objects name, each with one of these: the store itself, where that
// does.
func (v *Volume) namedLogs(ctx context.Context, entries []objects.Entry) (map[string]namer, error) {
	named := map[string]namer{}
	for _, entry := range entries {
		name := entry.Key[len(v.prefix):]
		found, err := v.read(ctx, entry.Key, "")
		switch {
		case errors.Is(err, objects.ErrNotFound), errors.Is(err, fs.ErrNotExist), errors.Is(err, volume.ErrNotStore):
		case err != nil: // it may name any
			return nil, failure("look at", name, err)
		case found.line.Log != "" && (found.moved == nil || !found.moved.Spent):
			if log := v.logFolder(found.line.Log); !named[log].itself {
				named[log] = namer{name, !found.ofOthers()}
			}
		}
	}
	return named, nil
}
