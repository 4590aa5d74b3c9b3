package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	"rvffs/store/ingest"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// writeCopy makes the file of a store that has copies of the vectors of a state of this one.
// It gets its name when they are committed.
func (s *Store) writeCopy(ctx context.Context, from *state.Snapshot, name string, options DeriveOptions, content newFileContent) error {
	image, err := content.encode()
	if err != nil {
		return err
	}
	shelf := options.Filled
	if shelf == nil {
		shelf = options.Shelf
	}
	return options.Shelf.Fill(ctx, name, image, content.perm, func(lying string) error {
		child, err := Open(ctx, lying, Options{Shelf: shelf, Memory: s.options.Memory})
		if err != nil {
			return err
		}
		return errors.Join(s.copyInto(ctx, child, from, options), child.Close())
	})
}

// copyInto commits the live vectors of a state, or those of some ids, to a store without any.
func (s *Store) copyInto(ctx context.Context, child *Store, from *state.Snapshot, options DeriveOptions) (err error) {
	sources, err := s.Sources(ctx, from)
	if err != nil || sources.Dimension() == 0 {
		return err
	}
	if err := checkVectors(ctx, sources); err != nil {
		return err
	}
	appender := child.NewAppender()
	defer func() { err = errors.Join(err, appender.Rollback()) }()
	c := copying{appender: appender, options: options}
	if options.IDs == nil {
		err = c.all(ctx, sources)
	} else {
		err = c.chosen(ctx, sources)
	}
	if err != nil {
		return err
	}
	_, _, err = appender.Commit(ctx)
	return err
}

// checkVectors is rows.CheckVectors for all of them.
func checkVectors(ctx context.Context, sources rows.Sources) error {
	return sources.With(ctx, state.Judging, func(in rows.Readings) error {
		for _, one := range in.Segments() {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := rows.CheckVectors(in.Of(one), one.Entry); err != nil {
				return err
			}
		}
		return nil
	})
}

// copying is a copy under way.
type copying struct {
	appender *ingest.Appender
	options  DeriveOptions
	done     uint64
}

// copiedRows is about how many bytes of vectors are on their way at a time.
const copiedRows = 1 << 20

// all copies all vectors, in the order in which they are shown.
func (c *copying) all(ctx context.Context, sources rows.Sources) (err error) {
	count, err := rows.Count(ctx, sources)
	if err != nil {
		return err
	}
	var readers [2]state.Reader
	defer func() {
		for _, reader := range readers {
			if reader != nil {
				err = errors.Join(err, reader.Close())
			}
		}
	}()
	width := 4 * sources.Dimension()
	var before [2]int64 // bytes in front of the first row
	for i, file := range []struct {
		format vecio.FileFormat
		row    int
	}{{vecio.FileIDs, 8}, {vecio.FileF32, width}} {
		view, err := rows.File(ctx, sources, file.format)
		if err != nil {
			return err
		}
		before[i] = view.Size() - int64(count)*int64(file.row)
		if readers[i], err = view.Open(ctx); err != nil {
			return err
		}
	}
	piece := uint64(max(1, copiedRows/width))
	ids, numbers, vectors := make([]uint64, piece), make([]byte, 8*piece), make([]byte, int(piece)*width)
	for first := uint64(0); first < count; first += piece {
		n := min(piece, count-first)
		if err := volume.ReadFull(state.ReaderAt(ctx, readers[0]), numbers[:8*n], before[0]+int64(8*first)); err != nil {
			return err
		}
		if err := volume.ReadFull(state.ReaderAt(ctx, readers[1]), vectors[:int(n)*width], before[1]+int64(first)*int64(width)); err != nil {
			return err
		}
		for i := range n {
			ids[i] = binary.LittleEndian.Uint64(numbers[8*i:])
		}
		if err := c.append(ctx, ids[:n], vectors[:int(n)*width], count); err != nil {
			return err
		}
	}
	return nil
}

// chosen copies the vectors of some ids.
func (c *copying) chosen(ctx context.Context, sources rows.Sources) error {
	var ids []uint64
	var vectors bytes.Buffer
	all := c.options.IDs.Len()
	flush := func() error {
		err := c.append(ctx, ids, vectors.Bytes(), all)
		ids = ids[:0]
		vectors.Reset()
		return err
	}
	err := rows.EachRow(ctx, sources, c.options.IDs, func(_ rows.Readings, _ rows.Segment, id uint64, row []byte) error {
		ids = append(ids, id)
		_, _ = vectors.Write(row[len(row)-4*sources.Dimension():])
		if vectors.Len() < copiedRows {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err == nil && c.options.Doubt != nil {
		err = c.options.Doubt(c.done, all)
	}
	return err
}

func (c *copying) append(ctx context.Context, ids []uint64, vectors []byte, all uint64) error {
	if len(ids) == 0 {
		return nil
	}
	if err := c.appender.Append(ctx, ids, vectors); err != nil {
		return err
	}
	c.done += uint64(len(ids))
	if c.options.Copied != nil {
		c.options.Copied(c.done, all)
	}
	return nil
}
