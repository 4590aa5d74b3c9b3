package bucket

import (
	"context"
	"errors"
	"slices"

	"rvffs/store/volume/bucket/objects"
)

// Extents are kept few: neighbours of one order of size become one, whose bytes are the same.

const (
	foldedAtOnce  = 16       // so many of one order become one
	smallestOrder = 1 << 20  // bytes; each order is sixteen times the one below
	largestOrder  = 4 << 30  // bytes from which on an extent stays as it is
	throughHere   = 16 << 20 // bytes up to which what is made goes through this machine
)

// orderOf is an extent's order of size, below zero when it stays as it is.
func orderOf(length int64) int {
	order := 0
	for bound := int64(smallestOrder); ; bound *= foldedAtOnce {
		if length < bound {
			return order
		}
		if bound >= largestOrder {
			return -1
		}
		order++
	}
}

// toFold finds neighbours that become one: a run of extents of an order and below, with
// enough of that order.
func toFold(extents []extent) (from, to int) {
	for order := range orderOf(largestOrder/foldedAtOnce) + 1 {
		begin, count := 0, 0
		for i, e := range extents {
			switch o := orderOf(e.Length); {
			case o < 0 || o > order:
				begin, count = i+1, 0
			case o == order:
				count++
			}
			if count == foldedAtOnce {
				return begin, i + 1
			}
		}
	}
	return 0, 0
}

// fold makes one extent of neighbours, if there are such, and reports whether it did.
func (l *Log) fold(ctx context.Context) (bool, error) {
	v := l.volume
	l.mu.Lock()
	now := l.current
	l.mu.Unlock()
	from, to := toFold(now.line.Extents)
	if from == to || now.copied() {
		return false, nil
	}
	old := slices.Clone(now.line.Extents[from:to])
	made, err := v.folded(ctx, now, from, to)
	if err != nil {
		return false, err
	}
	_, _, err = l.swap(ctx, l.keeper, func(_ context.Context, newest *stored) (*stored, error) {
		at := slices.Index(newest.line.Extents, old[0])
		if at < 0 || newest.line.Log != now.line.Log || at+len(old) > len(newest.line.Extents) ||
			!slices.Equal(newest.line.Extents[at:at+len(old)], old) || before(made.Name, newest.line.Horizon) {
			return nil, errNotNow
		}
		next := newest.next(newest.Modified)
		next.line.Extents = slices.Replace(next.line.Extents, at, at+len(old), made)
		for _, e := range old {
			next.retire(e.Name, v.options.Now().Unix())
		}
		return next, nil
	})
	if errors.Is(err, errNotNow) {
		// Nobody names it, and nobody will.
		return false, v.deleteExtent(ctx, now.line.Log, made.Name)
	}
	return err == nil, err
}

// errNotNow means that there is nothing to do any more.
var errNotNow = errors.New("others have done it")

// folded makes an extent of some.
func (v *Volume) folded(ctx context.Context, s *stored, from, to int) (extent, error) {
	var foot footer
	var pieces []piece
	begin, length := int64(0), int64(0)
	for i, e := range s.line.Extents[:to] {
		if i < from {
			begin += e.Length
			continue
		}
		length += e.Length
	}
	if length <= throughHere {
		bytes := &reader{v, v.layoutOf(s)}
		return v.makeExtent(ctx, s.line.Log, &window{bytes, begin}, length, s.line.Horizon)
	}
	for _, e := range s.line.Extents[from:to] {
		key := v.logKey(s.line.Log) + e.Name
		old, err := v.footerOf(ctx, key, e.Length)
		if err != nil {
			return extent{}, err
		}
		foot.append(old)
		pieces = append(pieces, piece{key: key, length: e.Length})
	}
	name := v.newExtentName(s.line.Horizon)
	return extent{name, length}, v.assemble(ctx, v.logKey(s.line.Log)+name, pieces, &foot)
}

// window is what stands from a place on.
type window struct {
	of   *reader
	from int64
}

// ReadAt implements io.ReaderAt.
func (w *window) ReadAt(p []byte, offset int64) (int, error) { return w.of.ReadAt(p, w.from+offset) }

// deleteExtent removes an extent that nobody names. Its name never comes back.
func (v *Volume) deleteExtent(ctx context.Context, log, name string) error {
	return v.send(ctx, func(ctx context.Context) error {
		return v.objects.Delete(ctx, v.logKey(log)+name, objects.Condition{})
	})
}
