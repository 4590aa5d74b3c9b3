package recovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"rvffs/segments"
	"rvffs/store/compute"
	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/memory"
	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Keep looks at what stands behind the newest manifest, where the next segment
// goes. What is left of an interrupted commit or stream of ours may be cut off. What
// somebody else may have written, or must have, is kept beside the store first; where that cannot be,
// nothing is written.
func (t *Tails) Keep(ctx context.Context, file volume.Bytes, base *state.Snapshot) error {
	if t.torn == nil {
		return nil
	}
	in := base.In(file).During(ctx)
	stat, err := in.Stat()
	if err != nil {
		return err
	}
	tail, any, err := findTail(in, stat.Size)
	if err != nil {
		return err
	}
	if t.remnants == nil {
		if any {
			return fmt.Errorf("%w: %s stand behind the newest manifest, which a commit would cut off: %s", volume.ErrInput, tail.String(), elsewhere)
		}
		return nil
	}
	t.known.noteLost(tail.LostEpoch)
	if any || tail.LostEpoch > base.Epoch() {
		info := describeTail(path.Base(t.env.File.Name()), tail)
		info.FileID, info.Dimension, info.Metric = storeIdentity(base), base.Dimension(), base.Metric().String()
		err := t.compare(ctx, in, &info)
		if err == nil {
			err = t.keepTail(ctx, file, info)
		}
		if err != nil {
			return fmt.Errorf("keep %s that stand behind the newest manifest: %w", tail.String(), err)
		}
	}
	return nil
}

// describeTail begins what a kept tail says of itself.
func describeTail(store string, tail Tail) tailInfo {
	info := tailInfo{Version: tailVersion, Store: store, Time: time.Now().UTC().Format(time.RFC3339), Tail: tail}
	info.File, info.Kept = "", true
	return info
}

// keepTail puts a copy of a tail beside the store.
func (t *Tails) keepTail(ctx context.Context, file volume.Bytes, info tailInfo) error {
	head, err := info.encode()
	if err != nil {
		return err
	}
	name, err := t.remnants.KeepRemnant(ctx, volume.Remnant{
		Offset: info.Offset, Length: info.Bytes, Head: head, Epoch: info.Epoch,
		Same: func(ctx context.Context, kept volume.Bytes) (bool, error) { return sameTail(ctx, kept, file, info) },
	})
	if err == nil && name != "" {
		t.keptTail(name, info.Tail)
	}
	return err
}

// keptTail tells of a tail that is kept now.
func (t *Tails) keptTail(name string, tail Tail) {
	t.known.addName(name)
	t.known.forgetHighest()
	if t.env.OnTail != nil && !tail.remembers() {
		tail.File = name
		t.env.OnTail(tail)
	}
}

// sameTail reports whether a file keeps this tail, or more: what could not be cut out of
// the store stands there still, until the next commit.
func sameTail(ctx context.Context, kept, file volume.Bytes, tail tailInfo) (bool, error) {
	info, start, err := readTailInfo(volume.Watch(ctx, kept))
	if errors.Is(err, volume.ErrCorrupt) {
		return false, nil
	}
	if err == nil {
		err = info.checkStore(tail.FileID)
	}
	if err != nil || info.Offset != tail.Offset || info.Bytes < tail.Bytes {
		return false, err
	}
	found, err := kept.Describe()
	if err != nil || found.Size < start+tail.Bytes {
		return false, err
	}
	same := true
	compared := &comparer{file: kept, offset: start, same: &same}
	err = volume.CopyRange(volume.WatchWriter(ctx, compared), file, tail.Offset, tail.Bytes)
	return same && err == nil, err
}

// comparer says whether a file holds what is written to it.
type comparer struct {
	file   io.ReaderAt
	offset int64
	same   *bool
}

func (c *comparer) Write(p []byte) (int, error) {
	there := make([]byte, len(p))
	if err := volume.ReadFull(c.file, there, c.offset); err != nil {
		return 0, err
	}
	c.offset += int64(len(p))
	*c.same = *c.same && string(there) == string(p)
	return len(p), nil
}

// tailIDs gathers the ids of a tail and notes the highest. Of segments that copied says
// are copies it notes the places. The set is nil when there is not enough memory for
// it.
func tailIDs(ctx context.Context, walk tailWalk, info *tailInfo, copied func(tailVectors) (bool, error), charge *memory.Charge) (*idset.Set, error) {
	ids, grows := idset.New(), rows.NewGrowingSets(charge, charge.Held())
	take := func(some ...uint64) {
		highest := slices.Max(some)
		if info.HighestID == nil || highest > *info.HighestID {
			info.HighestID = &highest
		}
		if ids == nil {
			return
		}
		if ids.Add(some); grows.Follow(ids) != nil {
			ids = nil
		}
	}
	err := walk.parts(func(p tailPart) error {
		switch {
		case p.vectors.rows > 0 && (p.vectors.dimension == walk.dimension || walk.dimension == 0):
			same, err := copied(p.vectors)
			if same {
				info.Copies = append(info.Copies, p.place)
			}
			if err != nil || same {
				return err
			}
			return p.vectors.each(ctx, func(part []uint64, _ []byte) error {
				take(part...)
				return nil
			})
		case p.isWhole(segments.TypeJournal):
			return walk.deletions(p, func(id uint64) { take(id) })
		case p.Type == segments.TypeManifest && ids != nil:
			begun, complete, err := walk.cutManifest(p)
			if complete {
				ids.Add(begun.Deleted)
			}
			return err
		}
		return nil
	})
	return ids, err
}

// compare notes what the store has that the tail has too: rows that a merge has only
// copied, and of ids with other vectors which ones. Later, when the store has gone on,
// that tells what has been stored again since.
func (t *Tails) compare(ctx context.Context, in *state.Reading, info *tailInfo) error {
	base := in.Snapshot()
	charge := t.env.Memory.Charge()
	defer charge.Free()
	if err := charge.Await(ctx, compareBytes); err != nil {
		return err
	}
	walk := tailWalk{file: in, start: info.Offset, size: info.Offset + info.Bytes, dimension: base.Dimension()}
	ids, err := tailIDs(ctx, walk, info, func(v tailVectors) (bool, error) { return hasRun(ctx, in, v) }, &charge)
	if err != nil {
		return err
	}
	for _, entry := range base.Live() {
		if compute.KindOf(entry.Type) == nil {
			continue
		}
		segment, err := in.ReadHeader(entry)
		if ended := ctx.Err(); ended != nil {
			return ended
		}
		if err == nil {
			info.Images = append(info.Images, imageMark(segment.Header))
		}
	}
	info.Before = -1
	if ids == nil {
		return nil
	}
	var common *idset.Set
	err = t.env.IDs.At(ctx, base, func(stored *idset.Set) error {
		common = ids.Common(stored)
		return nil
	})
	if err == nil && common.Len() <= maxBefore {
		info.before, err = digestsOf(ctx, in, common)
		info.Before = len(info.before)
	}
	if errors.Is(err, volume.ErrCorrupt) || errors.Is(err, memory.ErrNone) || errors.Is(err, memory.ErrNever) {
		info.before, info.Before, err = nil, -1, nil // what was before cannot be told
	}
	return err
}

// compareBytes is what a comparison holds at most, besides ids: rows of a merge, and
// digests.
const compareBytes = 3*log.MergeLimit + maxBefore*64

// digestsOf gives the digests of the live vectors with one of these ids, in order of id.
func digestsOf(ctx context.Context, in *state.Reading, ids *idset.Set) ([]idDigest, error) {
	if ids.Len() == 0 {
		return nil, nil
	}
	s := in.Snapshot()
	deleted := idset.Of(s.Manifest().Deleted)
	newest := map[uint64]uint64{}
	part, row := make([]uint64, rows.RowsPerRead), make([]byte, segments.RowSize(s.Dimension())-8)
	for _, entry := range s.Vectors() {
		reader, err := rows.Open(in, entry)
		if err != nil {
			return nil, err
		}
		for first := 0; first < reader.Count(); first += len(part) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			part := part[:min(len(part), reader.Count()-first)]
			err := reader.ReadIDs(first, part)
			for i := 0; err == nil && i < len(part); i++ {
				if ids.Contains(part[i]) && !deleted.Contains(part[i]) {
					err = reader.ReadRows(first+i, part[i:i+1], row)
					newest[part[i]] = xxh3.Hash(row)
				}
			}
			if err != nil {
				return nil, fmt.Errorf("read the vectors at offset %d: %w", entry.Offset, volume.AsCorrupt(err))
			}
		}
	}
	found := make([]idDigest, 0, len(newest))
	for id, digest := range newest {
		found = append(found, idDigest{id, digest})
	}
	slices.SortFunc(found, func(a, b idDigest) int { return cmp.Compare(a.id, b.id) })
	return found, nil
}

// hasRun reports whether a segment of vectors holds, as far as it is there, exactly the
// rows of a run of the snapshot's, as one does that a merge made of them.
func hasRun(ctx context.Context, in *state.Reading, p tailVectors) (bool, error) {
	s := in.Snapshot()
	rowSize := uint64(segments.RowSize(p.dimension))
	if p.dimension != s.Dimension() || p.rows == 0 || p.all*rowSize > log.MergeLimit+log.MergeLimit/2 {
		return false, nil
	}
	entries := s.Vectors()
	rows := make([]uint64, len(entries))
	for i, entry := range entries {
		rows[i] = (max(entry.PayloadLength, segments.VecPrefixSize) - segments.VecPrefixSize) / rowSize
	}
	var first [8]byte
	if err := volume.ReadFull(p.file, first[:], p.body); err != nil {
		return false, err
	}
	for from := range entries {
		sum, to := uint64(0), from
		for ; to < len(entries) && sum < p.all; to++ {
			sum += rows[to]
		}
		if sum != p.all || to == from+1 {
			continue
		}
		var id [8]byte
		if err := volume.ReadFull(in, id[:], entries[from].Offset+segments.HeaderSize+segments.VecPrefixSize); err != nil || id != first {
			if ended := ctx.Err(); ended != nil {
				return false, ended
			}
			continue
		}
		body, count, err := log.ReadRun(in, entries[from:to])
		var apart log.NotMerged
		if errors.As(err, &apart) || errors.Is(err, volume.ErrCorrupt) || err == nil && uint64(count) != p.all {
			continue
		}
		if err != nil {
			return false, err
		}
		body = body[:p.rows*rowSize]
		there := make([]byte, len(body))
		if err := volume.ReadFull(p.file, there, p.body); err != nil {
			return false, err
		}
		if string(there) == string(body) {
			return true, nil
		}
	}
	return false, nil
}
