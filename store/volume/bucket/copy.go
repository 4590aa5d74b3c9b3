package bucket

import (
	"context"
	"hash/crc32"
	"slices"

	"rvffs/segments"
	"rvffs/store/volume"
	"rvffs/store/volume/bucket/objects"
)

// rewritten is an extent like another, but for some bytes: around these the bucket copies.
func (v *Volume) rewritten(ctx context.Context, next *stored, e extent, p []byte, offset int64) (extent, error) {
	key := v.logKey(next.line.Log) + e.Name
	old, err := v.footerOf(ctx, key, e.Length)
	if err != nil {
		return extent{}, err
	}
	foot := &footer{table: slices.Clone(old.table), ids: old.ids, blocks: slices.Clone(old.blocks)}
	firstBlock, from := old.blockAt(offset)
	lastBlock, _ := old.blockAt(offset + int64(len(p)) - 1)
	to := old.blocks[lastBlock].end
	window := make([]byte, to-from)
	if err := v.readDamaged(ctx, key, window, from); err != nil {
		return extent{}, err
	}
	copy(window[offset-from:], p)
	for i, at := firstBlock, from; i <= lastBlock; i++ {
		end := foot.blocks[i].end
		foot.blocks[i].sum = crc32.Checksum(window[at-from:end-from], castagnoli)
		at = end
	}
	for i, placed := range foot.table {
		if placed.offset >= from && placed.offset+segments.HeaderSize <= to {
			foot.table[i].header = [segments.HeaderSize]byte(window[placed.offset-from:])
		}
	}
	name := v.newExtentName(next.line.Horizon)
	source := []piece{{key, 0, from, nil}, {"", from, to - from, window}, {key, to, e.Length - to, nil}}
	return extent{name, e.Length}, v.assemble(ctx, v.logKey(next.line.Log)+name, source, foot)
}

// readDamaged reads what may not be as it was written, as it is.
func (v *Volume) readDamaged(ctx context.Context, key string, p []byte, from int64) error {
	found, err := v.get(ctx, key, objects.Read{Offset: from, Length: int64(len(p))})
	if err == nil && copy(p, found.Content) < len(p) {
		err = volume.ErrCorrupt
	}
	return err
}

// piece is a run of another object's bytes, or of bytes that are at hand.
type piece struct {
	key            string
	offset, length int64
	content        []byte
}

// assemble makes an extent of pieces: those of other objects the bucket copies, where they are
// long enough.
func (v *Volume) assemble(ctx context.Context, key string, pieces []piece, foot *footer) error {
	sending, err := v.beginUpload(ctx, key, nil)
	if err != nil {
		return err
	}
	defer sending.drop()
	encoded := foot.encode()
	pieces = append(pieces, piece{length: int64(len(encoded)), content: encoded})
	if err := sending.assemble(ctx, pieces); err != nil {
		return err
	}
	if err := sending.complete(ctx, foot.length()+int64(len(encoded))); err != nil {
		return err
	}
	v.blocks.keepFooter(key, foot)
	return nil
}

// assemble has all parts made of pieces.
func (u *uploading) assemble(ctx context.Context, pieces []piece) error {
	a := assembly{volume: u.volume, to: u}
	for _, p := range pieces {
		if err := a.add(ctx, p); err != nil {
			return err
		}
	}
	if err := a.flush(ctx); err != nil {
		return err
	}
	return u.sent(ctx)
}

// copiedAtOnce is how many bytes the bucket is asked to copy in one request, which has to be answered
// in time.
const copiedAtOnce = 512 << 20

// assembly is an upload that is made of pieces.
type assembly struct {
	volume  *Volume
	to      *uploading
	parts   int
	pending []byte // too short to be a part
}

// add appends a piece.
func (a *assembly) add(ctx context.Context, p piece) error {
	for p.length > 0 {
		if p.content != nil {
			a.pending = append(a.pending, p.content...)
			p.length = 0
			break
		}
		if len(a.pending) >= objects.SmallestPart {
			if err := a.flush(ctx); err != nil {
				return err
			}
		}
		if len(a.pending) > 0 || p.length < objects.SmallestPart {
			// Bytes go through this machine until a part is long enough to stand by itself.
			wanted := min(objects.SmallestPart-int64(len(a.pending)), p.length)
			found, err := a.volume.get(ctx, p.key, objects.Read{Offset: p.offset, Length: wanted})
			if err != nil {
				return err
			}
			if int64(len(found.Content)) != wanted {
				return volume.ErrCorrupt
			}
			a.pending = append(a.pending, found.Content...)
			p.offset, p.length = p.offset+wanted, p.length-wanted
			continue
		}
		length := min(p.length, copiedAtOnce)
		if rest := p.length - length; rest > 0 && rest < objects.SmallestPart {
			length -= objects.SmallestPart
		}
		a.parts++
		if err := a.to.copy(ctx, a.parts, p.key, p.offset, length); err != nil {
			return err
		}
		p.offset, p.length = p.offset+length, p.length-length
	}
	return nil
}

// flush sends what is pending as a part.
func (a *assembly) flush(ctx context.Context) error {
	if len(a.pending) == 0 {
		return nil
	}
	part := a.pending
	a.parts, a.pending = a.parts+1, nil
	return a.to.put(ctx, a.parts, part, nil)
}

// copyExtent makes an extent of the first bytes of another object, which the bucket copies.
func (v *Volume) copyExtent(ctx context.Context, log, from string, length int64, bytes interface {
	ReadAt([]byte, int64) (int, error)
}, horizon string) (extent, error) {
	foot, err := footerOfBytes(bytes, length)
	if err != nil {
		return extent{}, err
	}
	name := v.newExtentName(horizon)
	return extent{name, length}, v.assemble(ctx, v.logKey(log)+name, []piece{{from, 0, length, nil}}, foot)
}
