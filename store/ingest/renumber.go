package ingest

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/rows"
)

// brought are vectors that are to be committed together.
type brought struct {
	vectors *Vectors
	session *log.Session
	extents []*rowExtent
	rows    uint64
	ids     rows.GrowingSets // charges for the ids of the extents
}

// change is the one that brings them.
func (b *brought) change() log.Change {
	return log.Change{
		Added: extentsOf(b.extents), Content: vectorChange{added: b.extents}, Actions: []log.Action{log.Ingest(b.rows)}, Renew: b.renew,
	}
}

// renew gives vectors other ids where somebody else, who has published meanwhile, has stored others
// with those that were handed out to them. It is asked for while who brings them waits for the
// commit, so that all that are to be in one are, however many need new ids.
func (b *brought) renew(ctx context.Context) (log.Change, error) {
	taken, err := b.idsTaken(ctx)
	if err == nil && taken {
		if err = b.renumber(ctx); err != nil {
			err = fmt.Errorf("others have taken the ids that were handed out, and there are no new ones: %w", err)
		}
	}
	return b.change(), err
}

// idsTaken reports whether the base has vectors with ids that were handed out to these.
func (b *brought) idsTaken(ctx context.Context) (taken bool, err error) {
	if b.session.Moved() == 0 {
		return false, nil
	}
	err = b.vectors.env.IDs.At(ctx, b.session.Base(), func(stored *idset.Set) error {
		taken = slices.ContainsFunc(b.extents, func(e *rowExtent) bool { return stored.Shared(e.given) > 0 })
		return nil
	})
	return taken, err
}

// renumber writes the vectors anew: those that were handed their ids get the next free ones.
// With an error all are as they were.
func (b *brought) renumber(ctx context.Context) error {
	a := b.vectors.NewAppender(b.session.Base().Origin())
	a.session = b.session
	defer a.memory.Free()
	var err error
	for _, e := range b.extents {
		if err == nil {
			err = a.appendRenumbered(ctx, e)
		}
	}
	if err == nil {
		err = a.Flush()
	}
	if err != nil {
		a.drain()
		a.session.Drop(extentsOf(a.extents)...)
		a.ids.Free()
		return err
	}
	b.session.Drop(extentsOf(b.extents)...)
	b.ids.Free()
	b.extents, b.ids = a.extents, a.ids
	return nil
}

// appendRenumbered appends the vectors of an extent, without the ids that were handed out.
func (a *Appender) appendRenumbered(ctx context.Context, e *rowExtent) error {
	rowSize := segments.RowSize(a.Dimension())
	buffer := make([]byte, max(1, rows.BytesPerRead/rowSize)*rowSize)
	for first := int64(0); first < int64(e.rows); {
		part := buffer[:min(int64(e.rows)-first, int64(len(buffer)/rowSize))*int64(rowSize)]
		if err := e.ReadBack(ctx, part, segments.VecPrefixSize+first*int64(rowSize)); err != nil {
			return err
		}
		first += int64(len(part) / rowSize)
		var ids []uint64
		var vectors []byte
		flush := func(given bool) (err error) {
			switch {
			case len(ids) == 0:
			case given:
				err = a.Append(ctx, nil, vectors)
			default:
				err = a.Append(ctx, ids, vectors)
			}
			ids, vectors = ids[:0], vectors[:0]
			return err
		}
		given := false
		for row := part; len(row) > 0; row = row[rowSize:] {
			id := binary.LittleEndian.Uint64(row)
			if now := e.given.Contains(id); now != given {
				if err := flush(given); err != nil {
					return err
				}
				given = now
			}
			ids = append(ids, id)
			vectors = append(vectors, row[8:rowSize]...)
		}
		if err := flush(given); err != nil {
			return err
		}
	}
	return nil
}
