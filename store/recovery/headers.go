package recovery

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"rvffs/segments"
	"rvffs/store/log"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// HeaderRepair tells what became of a segment whose header is not the one that the
// newest manifest names, or whose content is not what its header says.
type HeaderRepair struct {
	Offset int64  `json:"offset"`
	Type   string `json:"type"`
	ID     uint64 `json:"segment"`
	// Whole says that the content is what the header's hash says, so that the header can
	// be told from the manifest: it was mended, or would be.
	Whole  bool   `json:"whole"`
	Reason string `json:"reason"` // why it is whole, or why nothing can be done
}

// RecoverHeaders writes the headers anew of segments that the newest manifest names,
// where magic, version, type, id or length are damaged and the content hash beside them
// proves the content. All else stays as it is, and damaged contents are told. With list nothing is changed. A crash
// within leaves a damaged header damaged.
func (t *Tails) RecoverHeaders(ctx context.Context, list bool) (repairs []HeaderRepair, err error) {
	var lost []HeaderRepair
	err = t.withNewest(ctx, func(snapshot *state.Snapshot) error {
		return snapshot.With(ctx, state.Judging, func(in *state.Reading) error {
			if repairs, err = repairHeaders(in, nil); err == nil {
				lost, err = lostContents(ctx, in)
			}
			return err
		})
	})
	if err == nil && !list && len(repairs) > 0 {
		repairs, err = t.mendHeaders(ctx)
	}
	return append(repairs, lost...), err
}

// lostContents lists the segments whose headers are what they have to be, and whose content
// is not.
func lostContents(ctx context.Context, in *state.Reading) ([]HeaderRepair, error) {
	s := in.Snapshot()
	var lost []HeaderRepair
	end := int64(0) // of what was read: no directory has a byte read twice
	for _, entry := range s.Live() {
		segment, err := in.ReadHeader(entry)
		if entry.Offset < end || errors.Is(err, volume.ErrCorrupt) || err == nil && segment.End() > s.Size() {
			continue
		}
		var verdict segments.HashVerdict
		if err == nil {
			end = segment.End()
			verdict, err = segments.VerifySegment(in, segment)
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return lost, err
		}
		if verdict == segments.HashMismatch {
			lost = append(lost, HeaderRepair{
				Offset: entry.Offset, Type: entry.Type.String(), ID: entry.SegmentID,
				Reason: "its content is not what its hash says, or the hash is damaged: nothing in the file tells what it was",
			})
		}
	}
	return lost, nil
}

func (t *Tails) mendHeaders(ctx context.Context) (repairs []HeaderRepair, err error) {
	if t.env.Head.Current().Dialect() != segments.DialectRuntime {
		return nil, nil
	}
	session, err := t.env.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, session.End()) }()
	newest := func(context.Context) (*state.Snapshot, error) { return session.Base(), nil }
	err = state.OnNewest(ctx, newest, func(base *state.Snapshot) error {
		var mended []log.Repair
		err := base.With(ctx, state.Judging, func(in *state.Reading) (err error) {
			repairs, err = repairHeaders(in, func(header [segments.HeaderSize]byte, offset int64) error {
				mended = append(mended, log.Repair{Offset: offset, Bytes: header[:]})
				return nil
			})
			return err
		})
		if err != nil {
			return err
		}
		return session.Repair(ctx, base, mended...)
	})
	return repairs, err
}

// repairHeaders judges each damaged header, and has write put the right one into its
// place; nil does not.
func repairHeaders(in *state.Reading, write func([segments.HeaderSize]byte, int64) error) ([]HeaderRepair, error) {
	s := in.Snapshot()
	var repairs []HeaderRepair
	if s.Dialect() != segments.DialectRuntime {
		return nil, nil
	}
	entries := slices.SortedFunc(slices.Values(s.Named()), func(a, b segments.DirectoryEntry) int { return cmp.Compare(a.Offset, b.Offset) })
	end := int64(0) // of what stands before
	for i, entry := range entries {
		segment, problem := in.ReadHeader(entry)
		if problem == nil {
			problem = state.CheckFields(segment, entry)
		}
		if problem != nil && !errors.Is(problem, volume.ErrCorrupt) {
			return repairs, problem
		}
		right := segments.Segment{Header: segments.Header{PayloadLength: entry.PayloadLength}, Offset: entry.Offset}
		next := s.State().Segment.Offset
		if i+1 < len(entries) {
			next = min(next, entries[i+1].Offset)
		}
		if problem != nil {
			repair := HeaderRepair{Offset: entry.Offset, Type: entry.Type.String(), ID: entry.SegmentID}
			if entry.Offset < end || right.End() > next {
				repair.Reason = "it overlaps with another that the manifest names"
			} else if err := repairHeader(in, entry, &repair, write); err != nil {
				return repairs, err
			}
			repairs = append(repairs, repair)
		}
		end = max(end, right.End())
	}
	return repairs, nil
}

// repairHeader judges one header, with what the manifest tells in the place of what may
// be damaged.
func repairHeader(in *state.Reading, entry segments.DirectoryEntry, repair *HeaderRepair, write func([segments.HeaderSize]byte, int64) error) error {
	var b [segments.HeaderSize]byte
	if err := volume.ReadFull(in, b[:], entry.Offset); err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(b[0:], segments.Magic)
	b[4], b[5] = segments.HeaderVersion, byte(entry.Type)
	binary.LittleEndian.PutUint64(b[8:], entry.SegmentID)
	binary.LittleEndian.PutUint64(b[16:], entry.PayloadLength)
	header, err := segments.ParseHeader(b[:])
	if err != nil {
		return err
	}
	if header.Hashed() && !segments.IsWireHash(header) {
		header.ChecksumAlgorithm = segments.ChecksumRuntime
		b = header.Encode()
	}
	verdict, err := segments.VerifySegment(in, segments.Segment{Header: header, Offset: entry.Offset})
	if err != nil {
		return err
	}
	switch contradiction := header.Contradiction(); {
	case contradiction != "":
		repair.Reason = contradiction
	case verdict == segments.HashMatch:
		repair.Whole, repair.Reason = true, "its content is what its hash says"
	case verdict == segments.HashMismatch:
		repair.Reason = "its content is not what its hash says, or the hash is damaged as well"
	default:
		repair.Reason = "it holds no hash that proves its content"
	}
	if !repair.Whole || write == nil {
		return nil
	}
	return write(b, entry.Offset)
}
