package bucket

import (
	"context"
	"errors"
	"slices"

	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/volume"
	"rvffs/store/volume/bucket/objects"
)

// parts are the object of a long segment: its bytes are sent as they come, but for the first part,
// which has the header, and kept on this machine until they are in an extent that counts.
type parts struct {
	volume *Volume
	log    string // of the extent
	name   string
	spool  volume.Spool // has the body
	memory memory.Charge

	head    int64       // bytes of the body that are in the first part
	pending []byte      // of the part that grows
	kept    int64       // bytes of the body
	made    footerMaker // of what is behind the first part
	ids     idRuns
	upload  *uploading
	sent    int         // how many parts were begun
	room    chan []byte // of parts that were sent

	ripe  chan struct{} // closed when an object is complete for which nobody waited; nil: none was begun
	named bool          // somebody may have named it
	done  []byte        // the front of what is complete, header and all; nil: nothing is
}

// newParts are those of a body that begins with head, and is longer than that. Row is how many bytes
// one of its rows has; 0: it has none.
func newParts(v *Volume, log string, budget *memory.Budget, head []byte, row int64) (*parts, error) {
	spool, err := v.options.Spool()
	if err != nil {
		return nil, err
	}
	p := &parts{volume: v, log: log, name: v.newExtentName(""), spool: spool, head: int64(len(head)), room: make(chan []byte, 1+partsAtOnce), memory: budget.Charge()}
	p.ids.row = row
	err = p.keep(head)
	if err == nil {
		p.upload, err = v.beginUpload(v.ctx, p.key(), nil)
	}
	if err != nil {
		return nil, errors.Join(err, spool.Close())
	}
	p.memory.Force((2 + partsAtOnce) * v.options.Part) // the first one, one that grows, and those on their way
	return p, nil
}

// keep keeps some of the body on this machine, and follows its rows.
func (p *parts) keep(b []byte) error {
	if _, err := p.spool.WriteAt(b, p.kept); err != nil {
		return volume.WriteError(err, len(b), p.kept)
	}
	p.kept += int64(len(b))
	if p.ids.row > 0 {
		p.ids.write(b)
	}
	return nil
}

func (p *parts) key() string { return p.volume.logKey(p.log) + p.name }

// write takes bytes, and sends each part that is full.
func (p *parts) write(ctx context.Context, b []byte) error {
	if err := p.keep(b); err != nil {
		return err
	}
	p.made.write(b)
	for size := int(p.volume.options.Part); len(b) > 0; {
		if p.pending == nil {
			p.pending = p.free(size)
		}
		n := min(len(b), size-len(p.pending))
		p.pending, b = append(p.pending, b[:n]...), b[n:]
		if len(p.pending) < size {
			break
		}
		full := p.pending
		p.pending = nil
		p.sent++
		err := p.upload.put(ctx, p.sent+1, full, func() { p.room <- full[:0] }) // the first one comes last
		if err != nil {
			return err
		}
	}
	return p.upload.failure()
}

// free is room for a part. There are never more than those on their way and the one that grows, for
// which there is a place each, so that nobody waits who gives one back.
func (p *parts) free(size int) []byte {
	select {
	case room := <-p.room:
		return room
	default:
		return memory.Large(size)
	}
}

// drop gives up what is not in an extent that counts.
func (p *parts) drop() {
	p.upload.drop()
	if p.done != nil && !p.named && !p.volume.silence.lasts() {
		_ = p.volume.once(p.volume.ctx, func(ctx context.Context) error {
			return p.volume.objects.Delete(ctx, p.key(), objects.Condition{})
		})
	}
	p.memory.Free()
	_ = p.spool.Close()
}

// first is the first part: the front, header and all, and what of the body is in it.
func (p *parts) first(front []byte) ([]byte, error) {
	first := append(memory.Large(len(front)+int(p.head)), front...)
	return first[:cap(first)], volume.ReadFull(p.spool, first[len(front):cap(first)], 0)
}

// complete makes the object with a front.
func (p *parts) complete(ctx context.Context, front []byte) error {
	first, err := p.first(front)
	if err != nil {
		return err
	}
	foot := p.footerFor(first)
	encoded := foot.encode()
	if err := p.upload.put(ctx, 1, first, nil); err != nil {
		return err
	}
	if err := p.upload.put(ctx, p.sent+2, append(p.pending, encoded...), nil); err != nil {
		return err
	}
	if err := p.upload.complete(ctx, int64(len(front))+p.kept+int64(len(encoded))); err != nil {
		return err
	}
	p.done = front
	p.volume.blocks.keepFooter(p.key(), foot)
	p.pending, p.room = nil, nil
	p.memory.Free()
	return nil
}

// ripen completes the object with a front that is to stay, while others go on: nothing more comes,
// and who commits it should not have to wait.
func (p *parts) ripen(front []byte) {
	p.ripe = make(chan struct{})
	p.upload.parts.Go(func() {
		defer close(p.ripe)
		_ = p.complete(p.upload.ctx, front) // who commits it looks whether it is there
	})
}

// finish makes the object, with a front that ends in front of the body, and tells its name. When it
// was made with another front, its name is from before the horizon, or another volume has begun
// the store's log meanwhile, another one is made of it.
func (p *parts) finish(ctx context.Context, front []byte, log, horizon string) (string, error) {
	if p.ripe != nil {
		select {
		case <-p.ripe:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	p.named = true
	stays := !before(p.name, horizon) && p.log == log // what is not there yet may be swept away when it is
	switch {
	case stays && p.done != nil && slices.Equal(p.done, front):
		return p.name, nil
	case stays && p.done == nil && p.ripe == nil:
		return p.name, p.complete(ctx, front)
	}
	return p.again(ctx, front, log, horizon)
}

// again makes another object of the same bytes, but for the first ones: the bucket copies
// those of the former one, or they come from what is kept.
func (p *parts) again(ctx context.Context, front []byte, log, horizon string) (string, error) {
	v := p.volume
	first, err := p.first(front)
	if err != nil {
		return "", err
	}
	foot := p.footerFor(first)
	name := v.newExtentName(horizon)
	key := v.logKey(log) + name
	err = objects.ErrNotFound
	if rest := p.kept - p.head; p.done != nil && rest >= objects.SmallestPart {
		err = v.assemble(ctx, key, []piece{{length: int64(len(first)), content: first}, {p.key(), int64(len(first)), rest, nil}}, foot)
	}
	if errors.Is(err, objects.ErrNotFound) {
		err = v.upload(ctx, key, &joined{front, p.spool}, int64(len(front))+p.kept, foot)
	}
	if err != nil {
		return "", err
	}
	p.log, p.name, p.done = log, name, front
	return name, nil
}

// footerFor is the footer with a first part.
func (p *parts) footerFor(first []byte) *footer {
	var begin footerMaker
	begin.write(first)
	foot := begin.end()
	foot.append(p.made.end())
	foot.table = []placed{{0, [segments.HeaderSize]byte(first)}}
	foot.ids = p.ids.runs
	return foot
}

// joined are some bytes with others behind.
type joined struct {
	first []byte
	rest  interface {
		ReadAt([]byte, int64) (int, error)
	}
}

// ReadAt implements io.ReaderAt.
func (j *joined) ReadAt(p []byte, offset int64) (n int, err error) {
	if offset < int64(len(j.first)) {
		n = copy(p, j.first[offset:])
	}
	if n == len(p) {
		return n, nil
	}
	more, err := j.rest.ReadAt(p[n:], offset+int64(n)-int64(len(j.first)))
	return n + more, err
}

// upload makes an object of bytes that are at hand: an extent with their footer, or a plain
// one without.
func (v *Volume) upload(ctx context.Context, key string, from interface {
	ReadAt([]byte, int64) (int, error)
}, length int64, foot *footer) error {
	var encoded []byte
	if foot != nil {
		encoded = foot.encode()
	}
	size := v.options.Part
	if length <= 2*size {
		content := make([]byte, length, length+int64(len(encoded)))
		if err := volume.ReadFull(from, content, 0); err != nil {
			return err
		}
		if err := v.putExtent(ctx, key, append(content, encoded...)); err != nil {
			return err
		}
		if foot != nil {
			v.blocks.keepFooter(key, foot)
			v.blocks.keepWritten(key, foot, content)
		}
		return nil
	}
	for (length+size-1)/size >= objects.MostParts {
		size *= 2
	}
	charge := v.options.Memory.Charge()
	charge.Force((1 + partsAtOnce) * size)
	defer charge.Free()
	sending, err := v.beginUpload(ctx, key, nil)
	if err != nil {
		return err
	}
	defer sending.drop()
	for at, number := int64(0), 1; at < length; at, number = at+size, number+1 {
		part := memory.Large(int(size) + len(encoded))[:min(size, length-at)]
		if err := volume.ReadFull(from, part, at); err != nil {
			return err
		}
		if at+size >= length {
			part = append(part, encoded...)
		}
		if err := sending.put(ctx, number, part, nil); err != nil {
			return err
		}
	}
	if err := sending.complete(ctx, length+int64(len(encoded))); err != nil {
		return err
	}
	if foot != nil {
		v.blocks.keepFooter(key, foot)
	}
	return nil
}

// putExtent puts an extent that is not long. Its name is nobody else's, so that it may be put
// again.
func (v *Volume) putExtent(ctx context.Context, key string, content []byte) error {
	return v.send(ctx, func(ctx context.Context) error {
		_, err := v.objects.Put(ctx, key, content, nil, objects.Condition{})
		return err
	})
}

// footerOfBytes makes the footer of whole segments.
func footerOfBytes(from interface {
	ReadAt([]byte, int64) (int, error)
}, length int64) (*footer, error) {
	var made footerMaker
	buffer := make([]byte, min(length, blockSize))
	for at := int64(0); at < length; at += int64(len(buffer)) {
		part := buffer[:min(int64(len(buffer)), length-at)]
		if err := volume.ReadFull(from, part, at); err != nil {
			return nil, err
		}
		made.write(part)
	}
	walker := segments.NewWalker(from, 0, length)
	for walker.Next() {
		s := walker.Segment()
		made.table = append(made.table, placed{s.Offset, s.Encode()})
		if s.Type != segments.TypeVec {
			continue
		}
		rows, err := segments.OpenVec(from, s, segments.DialectRuntime)
		if err != nil {
			continue // it tells of no ids
		}
		var ids [512]uint64
		runs := idRuns{runs: made.ids}
		for first := 0; first < rows.Count(); first += len(ids) {
			part := ids[:min(len(ids), rows.Count()-first)]
			if err := rows.ReadRows(first, part, nil); err != nil {
				return nil, err
			}
			for _, id := range part {
				runs.add(id)
			}
		}
		made.ids = runs.runs
	}
	return made.end(), walker.Err()
}
