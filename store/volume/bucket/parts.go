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

// parts are those of a long segment behind its first one: they are sent as they come, and kept
// on this machine until they are in an extent that counts.
type parts struct {
	volume *Volume
	log    string // of the extent
	name   string
	spool  volume.Spool
	memory memory.Charge // for what is held of it until it is sent

	pending []byte // of the part that grows
	kept    int64  // bytes in the spool
	made    footerMaker
	ids     idRuns
	upload  *uploading
	sent    int         // how many parts were begun
	room    chan []byte // of parts that were sent

	done   []byte // the first part of what is complete; nil: nothing is
	footer *footer
}

// newParts are those behind a first part. Row is how many bytes one of the rows has that the
// body consists of, of which head is in the first part; 0: there are none.
func newParts(v *Volume, log string, budget *memory.Budget, head []byte, row int64) (*parts, error) {
	spool, err := v.options.Spool()
	if err != nil {
		return nil, err
	}
	p := &parts{volume: v, log: log, name: v.newExtentName(""), spool: spool, room: make(chan []byte, partsAtOnce), memory: budget.Charge()}
	p.memory.Force((2 + partsAtOnce) * v.options.Part) // the first one, one that grows, and those on their way
	if p.ids.row = row; row > 0 {
		p.ids.write(head)
	}
	if p.upload, err = v.beginUpload(v.ctx, p.key(), nil); err != nil {
		p.memory.Free()
		return nil, errors.Join(err, spool.Close())
	}
	return p, nil
}

func (p *parts) key() string { return p.volume.logKey(p.log) + p.name }

// write takes bytes, and sends each part that is full.
func (p *parts) write(ctx context.Context, b []byte) error {
	if _, err := p.spool.WriteAt(b, p.kept); err != nil {
		return volume.WriteError(err, len(b), p.kept)
	}
	p.kept += int64(len(b))
	p.made.write(b)
	if p.ids.row > 0 {
		p.ids.write(b)
	}
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

// free is room for a part. There are never more than what is charged for: as many are sent at
// once as the channel holds.
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
	p.memory.Free()
	_ = p.spool.Close()
}

// finish makes the object, with its first part, which it keeps, and tells its name. When it was
// made with another first part, its name is from before the horizon, or another volume has begun
// the store's log meanwhile, another one is made of it.
func (p *parts) finish(ctx context.Context, first []byte, log, horizon string) (string, error) {
	if p.done != nil && slices.Equal(p.done, first) && !before(p.name, horizon) && p.log == log {
		return p.name, nil
	}
	if p.done != nil || before(p.name, horizon) || p.log != log { // also what is not there yet may be swept away when it is
		return p.again(ctx, first, log, horizon)
	}
	foot := p.footerFor(first)
	encoded := foot.encode()
	if err := p.upload.put(ctx, 1, first, nil); err != nil {
		return "", err
	}
	if err := p.upload.put(ctx, p.sent+2, append(slices.Clone(p.pending), encoded...), nil); err != nil {
		return "", err
	}
	if err := p.upload.complete(ctx, int64(len(first))+p.kept+int64(len(encoded))); err != nil {
		return "", err
	}
	p.done, p.footer = first, foot
	p.volume.blocks.keepFooter(p.key(), foot)
	return p.name, nil
}

// again makes another object of the same bytes, but for the first ones: the bucket copies
// those of the former one, or they come from what is kept.
func (p *parts) again(ctx context.Context, first []byte, log, horizon string) (string, error) {
	v := p.volume
	foot := p.footerFor(first)
	name := v.newExtentName(horizon)
	key := v.logKey(log) + name
	err := objects.ErrNotFound
	if p.done != nil && p.kept >= objects.SmallestPart {
		err = v.assemble(ctx, key, []piece{{length: int64(len(first)), content: first}, {p.key(), int64(len(first)), p.kept, nil}}, foot)
	}
	if errors.Is(err, objects.ErrNotFound) {
		err = v.upload(ctx, key, &joined{first, p.spool}, int64(len(first))+p.kept, foot)
	}
	if err != nil {
		return "", err
	}
	p.log, p.name, p.done, p.footer = log, name, first, foot
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
		part := memory.Large(int(min(size, length-at) + int64(len(encoded))))[:min(size, length-at)]
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
