package bucket

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"rvffs/store/volume/bucket/objects"
)

// sweepEvery is how often it is looked for extents that nobody names, and orphanAge how old
// these are at least.
const (
	sweepEvery = 24 * time.Hour
	orphanAge  = 24 * time.Hour
)

// tidy keeps the store small, beside all else, if there is something to do.
func (l *Log) tidy() {
	l.mu.Lock()
	current, closed := l.current, l.closed
	l.mu.Unlock()
	if closed || current.line.Log == "" || l.volume.options.Untidy || !l.isUntidy(current) || !l.tidying.CompareAndSwap(false, true) {
		return
	}
	l.keeping.Go(func() {
		defer l.tidying.Store(false)
		_ = l.tidyUp(l.ctx) // the next commit tries it again
	})
}

// isUntidy reports whether there is something to fold or to delete.
func (l *Log) isUntidy(s *stored) bool {
	if from, to := toFold(s.line.Extents); to > from {
		return true
	}
	return len(l.due(s)) > 0 || l.horizonOld(s)
}

// due are extents that were retired so long ago that they go, unless they are read.
func (l *Log) due(s *stored) (due []retired) {
	until := l.volume.options.Now().Add(-l.volume.options.Retain).Unix()
	for _, r := range s.line.Retired {
		if r.At < until {
			due = append(due, r)
		}
	}
	return due
}

// horizonOld reports whether it is time to look for orphans.
func (l *Log) horizonOld(s *stored) bool {
	at, err := strconv.ParseInt(s.line.Horizon, 16, 64)
	if err != nil {
		at = 0
		if len(s.line.Extents) > 0 { // nothing was looked for yet: when the first extent is so old
			at, _ = strconv.ParseInt(s.line.Extents[0].Name[:min(timeDigits, len(s.line.Extents[0].Name))], 16, 64)
		}
	}
	return l.volume.options.Now().Sub(time.UnixMilli(at)) > sweepEvery+orphanAge
}

// tidyUp does what there is to do.
func (l *Log) tidyUp(ctx context.Context) error {
	for {
		folded, err := l.fold(ctx)
		if err != nil {
			return err
		}
		if !folded {
			break
		}
	}
	l.mu.Lock()
	current := l.current
	l.mu.Unlock()
	var err error
	if len(l.due(current)) > 0 {
		err = l.deleteRetired(ctx)
	}
	if err == nil && l.horizonOld(current) {
		err = l.deleteOrphans(ctx)
	}
	return err
}

// names are those of all that is in a log: extents, and pins.
func (v *Volume) names(ctx context.Context, log string) (names []string, err error) {
	prefix := v.logKey(log)
	entries, err := v.entries(ctx, prefix)
	for _, entry := range entries {
		names = append(names, entry.Key[len(prefix):])
	}
	return names, err
}

// entries are the objects with a prefix.
func (v *Volume) entries(ctx context.Context, prefix string) (entries []objects.Entry, err error) {
	for after := ""; ; {
		page, err := v.list(ctx, objects.List{Prefix: prefix, After: after})
		if err != nil {
			return nil, err
		}
		entries = append(entries, page.Entries...)
		if after = page.Next; after == "" {
			return entries, nil
		}
	}
}

// pinPrefix begins the names of pins.
const pinPrefix = "pins/"

// deleteRetired deletes what was retired and is not read any more. Nobody names it again, so
// that it may go before the line says that it is gone.
func (l *Log) deleteRetired(ctx context.Context) error {
	v := l.volume
	l.mu.Lock()
	current := l.current
	l.mu.Unlock()
	names, err := v.names(ctx, current.line.Log+"/"+strings.TrimSuffix(pinPrefix, "/"))
	if err != nil {
		return err
	}
	for i, name := range names {
		names[i] = pinPrefix + name
	}
	read, err := v.pinned(ctx, current.line.Log, names)
	if err != nil {
		return err
	}
	gone := map[string]bool{}
	for _, r := range l.due(current) {
		if read[r.Generation] {
			continue
		}
		if err := v.deleteExtent(ctx, current.line.Log, r.Name); err != nil {
			return err
		}
		gone[r.Name] = true
	}
	if len(gone) == 0 {
		return nil
	}
	_, _, err = l.swap(ctx, l.keeper, func(_ context.Context, newest *stored) (*stored, error) {
		next := newest.next(newest.Modified)
		next.line.Retired = slices.DeleteFunc(next.line.Retired, func(r retired) bool { return gone[r.Name] })
		if len(next.line.Retired) == len(newest.line.Retired) {
			return nil, errNotNow
		}
		return next, nil
	})
	if errors.Is(err, errNotNow) {
		return nil
	}
	return err
}

// deleteOrphans deletes extents that nobody has named. First the line says that names from
// before a moment are named in it now, or never; then it is looked which ones are not.
func (l *Log) deleteOrphans(ctx context.Context) error {
	v := l.volume
	horizon := timeName(v.options.Now().Add(-orphanAge))
	put, _, err := l.swap(ctx, l.keeper, func(ctx context.Context, newest *stored) (*stored, error) {
		if newest.line.Horizon >= horizon || newest.copied() {
			return nil, errNotNow
		}
		next := newest.next(newest.Modified)
		if err := v.settleIn(ctx, next, newest); err != nil {
			return nil, err
		}
		next.line.Horizon = horizon
		next.lined(newest.state)
		return next, nil
	})
	if errors.Is(err, errNotNow) {
		return nil
	}
	if err != nil {
		return err
	}
	named := map[string]bool{}
	for _, e := range put.line.Extents {
		named[e.Name] = true
	}
	for _, r := range put.line.Retired {
		named[r.Name] = true
	}
	log := put.log()
	names, err := v.names(ctx, log)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, pinPrefix) {
			err = v.deletePin(ctx, log, name)
		} else if before(name, horizon) && !named[name] {
			err = v.deleteExtent(ctx, log, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
