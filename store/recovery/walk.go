package recovery

import (
	"context"
	"encoding/binary"
	"errors"
	"io"

	"rvffs/segments"
	"rvffs/store/rows"
	"rvffs/store/volume"
)

// tailWalk goes through the bytes of a tail, which stand in a file from start to size.
type tailWalk struct {
	file      io.ReaderAt
	start     int64
	size      int64
	shift     int64 // from places in file to those in the store's file
	dimension int   // that vectors must have; 0: any
}

// tailPart is one stretch of a tail.
type tailPart struct {
	segments.Remnant
	place   int64 // in the store's file
	vectors tailVectors
}

// isWhole reports whether it is a whole segment of this type.
func (p tailPart) isWhole(kind segments.Type) bool {
	return p.Kind == segments.RemnantWhole && p.Type == kind
}

// isHalf reports whether it is the beginning of a segment, with some of its content, of
// which nothing can be taken. A header alone holds nothing of anybody's, nor does the
// prefix of vectors, and a power cut in the midst of a commit of ours leaves such; one
// without a hash is torn itself. Manifests and audit entries do not count: they only
// tell of others.
func (p tailPart) isHalf() bool {
	front := int64(segments.HeaderSize)
	if p.Type == segments.TypeVec {
		front += segments.VecPrefixSize
	}
	return p.Kind == segments.RemnantCut && p.Type != segments.TypeManifest && p.Type != segments.TypeWitness &&
		p.vectors.rows == 0 && p.Length > front && p.Hashed()
}

// parts visits all stretches in order.
func (t tailWalk) parts(visit func(tailPart) error) error {
	return segments.WalkRemnants(t.file, t.start, t.size, func(r segments.Remnant) error {
		p := tailPart{Remnant: r, place: r.Offset + t.shift}
		var err error
		if r.Type == segments.TypeVec && (r.Kind == segments.RemnantWhole || r.Kind == segments.RemnantCut) {
			p.vectors, err = t.vectors(r)
		}
		if err != nil {
			return err
		}
		return visit(p)
	})
}

// vectors finds out what rows a segment of vectors holds.
func (t tailWalk) vectors(r segments.Remnant) (tailVectors, error) {
	v := tailVectors{file: t.file, body: r.PayloadOffset() + segments.VecPrefixSize, cut: r.Kind == segments.RemnantCut}
	if v.cut {
		dimension, count, err := segments.CutVectors(t.file, r)
		if err == nil && (t.dimension == 0 || dimension == t.dimension) { // else it hardly is one
			v.dimension, v.rows = dimension, uint64(count)
			v.all = (r.PayloadLength - segments.VecPrefixSize) / uint64(segments.RowSize(dimension))
		}
		return v, err
	}
	reader, err := segments.OpenVec(t.file, r.Segment, segments.DialectRuntime)
	if errors.Is(err, segments.ErrVecCount) || errors.Is(err, segments.ErrPayload) {
		return v, nil // every reader passes it over
	}
	if err != nil {
		return v, err
	}
	v.dimension, v.rows, v.all = reader.Dimension(), uint64(reader.Count()), uint64(reader.Count())
	return v, nil
}

// payload reads what is there of that of a part.
func (t tailWalk) payload(p tailPart) ([]byte, error) {
	payload := make([]byte, min(int64(p.PayloadLength), p.Length-segments.HeaderSize))
	return payload, volume.ReadFull(t.file, payload, p.PayloadOffset())
}

// deletions visits the ids that a journal deletes.
func (t tailWalk) deletions(p tailPart, visit func(id uint64)) error {
	return segments.ReadDeletions(io.NewSectionReader(t.file, p.PayloadOffset(), int64(p.PayloadLength)), visit)
}

// cutManifest reads what is left of a manifest that was cut; complete says that all of
// its directory is.
func (t tailWalk) cutManifest(p tailPart) (begun *segments.Manifest, complete bool, err error) {
	if p.Kind != segments.RemnantCut || p.Type != segments.TypeManifest || p.PayloadLength > segments.MaxPayload {
		return nil, false, nil
	}
	payload, err := t.payload(p)
	if err != nil {
		return nil, false, err
	}
	begun, complete = segments.ParseManifestStart(payload)
	return begun, complete, nil
}

// tailVectors are the vectors of one segment in a tail.
type tailVectors struct {
	file      io.ReaderAt
	body      int64 // of the first row, in file
	dimension int
	rows      uint64 // whole ones that are there
	all       uint64 // that the segment had
	cut       bool   // of a segment that was cut
}

// each visits the rows: ids, and components as consecutive rows.
func (p tailVectors) each(ctx context.Context, visit func(ids []uint64, rows []byte) error) error {
	size := segments.RowSize(p.dimension)
	batch := int(max(1, min(rows.RowsPerRead, rows.BytesPerRead/uint64(size), p.rows)))
	stored := make([]byte, batch*size)
	ids, rows := make([]uint64, batch), make([]byte, batch*(size-8))
	for first := uint64(0); first < p.rows; first += uint64(batch) {
		if err := ctx.Err(); err != nil {
			return err
		}
		count := int(min(uint64(batch), p.rows-first))
		if err := volume.ReadFull(p.file, stored[:count*size], p.body+int64(first)*int64(size)); err != nil {
			return err
		}
		for i := range count {
			row := stored[i*size : (i+1)*size]
			ids[i] = binary.LittleEndian.Uint64(row)
			copy(rows[i*(size-8):], row[8:])
		}
		if err := visit(ids[:count], rows[:count*(size-8)]); err != nil {
			return err
		}
	}
	return nil
}
