package ingest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"rvffs/segments"
	"rvffs/store/rows"
	"rvffs/store/volume"
)

// renumbering is how long vectors get other ids because others took theirs.
const renumbering = 30 * time.Second

// commitNumbered commits the vectors. Where somebody else, who has published meanwhile, has
// stored others with ids that were handed out to them, they get new ones.
func (a *Appender) commitNumbered(ctx context.Context) (uint32, error) {
	for begun := time.Now(); ; {
		epoch, err := a.vectors.Commit(ctx, a.session, ingestion(a.extents, a.rows))
		if !errors.Is(err, errIDsTaken) || a.session.Moved() == a.moved {
			return epoch, err
		}
		if time.Since(begun) > renumbering {
			return 0, fmt.Errorf("%w: others have taken the ids that were handed out, again and again for %v: write it again", volume.ErrHeld, renumbering)
		}
		if late := a.renumber(ctx); late != nil {
			return 0, fmt.Errorf("others have taken the ids that were handed out, and there are no new ones: %w", late)
		}
	}
}

// renumber writes the vectors since the last commit anew: those that were handed their ids get
// the next free ones. With an error all are as they were.
func (a *Appender) renumber(ctx context.Context) error {
	a.moved = a.session.Moved()
	if err := a.vectors.knowIDs(ctx, a.session); err != nil {
		return err
	}
	if a.current != nil {
		a.ids.Settle(a.current.ids, a.current.given)
	}
	written, total := a.extents, a.rows
	a.extents, a.current, a.rows = nil, nil, 0
	for _, e := range written {
		if err := a.appendRenumbered(ctx, e); err != nil {
			return a.restore(written, total, err)
		}
	}
	if err := a.Flush(); err != nil {
		return a.restore(written, total, err)
	}
	a.session.Drop(extentsOf(written)...)
	return nil
}

// restore gives up what was written anew.
func (a *Appender) restore(written []*rowExtent, total uint64, err error) error {
	a.drain()
	a.session.Drop(extentsOf(a.extents)...)
	a.extents, a.current, a.block, a.rows = written, nil, nil, total
	return err
}

// appendRenumbered appends the vectors of an extent, without the ids that were handed out.
func (a *Appender) appendRenumbered(ctx context.Context, e *rowExtent) error {
	rowSize := segments.RowSize(a.Dimension())
	buffer := make([]byte, max(1, rows.BytesPerRead/rowSize)*rowSize)
	for first := int64(0); first < int64(e.rows); {
		part := buffer[:min(int64(e.rows)-first, int64(len(buffer)/rowSize))*int64(rowSize)]
		if err := a.session.ReadBack(ctx, e.Extent, part, segments.VecPrefixSize+first*int64(rowSize)); err != nil {
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
