package bucket

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

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

	uploads objects.Upload
	ctx     context.Context // of what is sent
	stop    context.CancelFunc
	sending sync.WaitGroup
	slots   chan struct{}

	mu    sync.Mutex // guards what follows
	tags  []objects.Tag
	wrong error

	done   []byte // the first part of what is complete; nil: nothing is
	footer *footer
}

// sendingParts is how many are sent at the same time.
const sendingParts = 2

func newParts(v *Volume, log string, budget *memory.Budget) (*parts, error) {
	spool, err := v.options.Spool()
	if err != nil {
		return nil, err
	}
	p := &parts{volume: v, log: log, name: v.newExtentName(""), spool: spool, slots: make(chan struct{}, sendingParts), memory: budget.Charge()}
	p.memory.Force((2 + sendingParts) * v.options.Part) // the first one, one that grows, and those on their way
	p.ctx, p.stop = context.WithCancel(v.ctx)
	err = v.send(p.ctx, func(ctx context.Context) (err error) {
		p.uploads, err = v.objects.Begin(ctx, p.key())
		return err
	})
	return p, err
}

func (p *parts) key() string { return p.volume.logKey(p.log) + p.name }

// write takes bytes, and sends each part that is full.
func (p *parts) write(ctx context.Context, b []byte) error {
	if _, err := p.spool.WriteAt(b, p.kept); err != nil {
		return volume.WriteError(err, len(b), p.kept)
	}
	p.kept += int64(len(b))
	p.made.write(b)
	p.pending = append(p.pending, b...)
	size := int(p.volume.options.Part)
	for len(p.pending) >= size {
		part := slices.Clone(p.pending[:size])
		p.pending = append(p.pending[:0], p.pending[size:]...)
		if err := p.send(ctx, part); err != nil {
			return err
		}
	}
	return p.failure()
}

// send sends a part beside all else, when fewer are under way.
func (p *parts) send(ctx context.Context, part []byte) error {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	p.tags = append(p.tags, "")
	number := len(p.tags) + 1 // the first one comes last
	p.mu.Unlock()
	p.sending.Go(func() {
		defer func() { <-p.slots }()
		tag, err := p.volume.putPart(p.ctx, p.key(), p.uploads, number, part)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.tags[number-2] = tag
		if err != nil && p.wrong == nil {
			p.wrong = err
		}
	})
	return nil
}

func (p *parts) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wrong
}

// sent waits until all that is full has been sent.
func (p *parts) sent(ctx context.Context) error {
	for range sendingParts {
		select {
		case p.slots <- struct{}{}:
			defer func() { <-p.slots }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return p.failure()
}

// drop gives up what is not in an extent that counts.
func (p *parts) drop() {
	p.stop()
	p.sending.Wait()
	if p.done == nil && p.uploads != "" {
		p.volume.giveUp(p.key(), p.uploads)
	}
	p.memory.Free()
	_ = p.spool.Close()
}

// finish makes the object, with its first part, of which so many bytes behind the header are
// the front, and tells its name. When it was made with another first part, its name is from
// before the horizon, or another volume has begun the store's log meanwhile, another one is made
// of it.
func (p *parts) finish(ctx context.Context, first []byte, front int64, log, horizon string) (string, error) {
	if p.done != nil && slices.Equal(p.done, first) && !before(p.name, horizon) && p.log == log {
		return p.name, nil
	}
	if p.done != nil || before(p.name, horizon) || p.log != log { // also what is not there yet may be swept away when it is
		return p.again(ctx, first, front, log, horizon)
	}
	foot := p.footerFor(first, front)
	key := p.key()
	tag, err := p.volume.putPart(ctx, key, p.uploads, 1, first)
	if err != nil {
		return "", err
	}
	tags := append([]objects.Tag{tag}, p.tags...)
	last := append(slices.Clone(p.pending), foot.encode()...)
	if tag, err = p.volume.putPart(ctx, key, p.uploads, len(tags)+1, last); err != nil {
		return "", err
	}
	tags = append(tags, tag)
	size := int64(len(first)) + p.kept
	if err := p.volume.completeUpload(ctx, key, p.uploads, tags, size+int64(len(foot.encode()))); err != nil {
		return "", err
	}
	p.done, p.footer = slices.Clone(first), foot
	p.volume.blocks.keepFooter(key, foot)
	return p.name, nil
}

// again makes another object of the same bytes, but for the first ones: the bucket copies
// those of the former one, or they come from what is kept.
func (p *parts) again(ctx context.Context, first []byte, front int64, log, horizon string) (string, error) {
	v := p.volume
	foot := p.footerFor(first, front)
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
	p.log, p.name, p.done, p.footer = log, name, slices.Clone(first), foot
	return name, nil
}

// footerFor is the footer with a first part.
func (p *parts) footerFor(first []byte, front int64) *footer {
	var begin footerMaker
	begin.write(first)
	foot := begin.end()
	foot.append(p.made.end())
	foot.table = []placed{{0, [segments.HeaderSize]byte(first)}}
	foot.ids = rowIDs(first, front, p.spool, p.kept)
	return foot
}

// rowIDs are the ids of the rows of a segment of vectors, whose first bytes are given.
func rowIDs(first []byte, front int64, rest interface {
	ReadAt([]byte, int64) (int, error)
}, restLength int64) []idRun {
	header, err := segments.ParseHeader(first)
	if err != nil || header.Type != segments.TypeVec || front != segments.VecPrefixSize {
		return nil
	}
	dimension, _, err := segments.ParseVecPrefix(first[segments.HeaderSize:])
	if err != nil {
		return nil
	}
	runs := idRuns{row: int64(segments.RowSize(int(dimension)))}
	runs.write(first[segments.HeaderSize+front:])
	buffer := make([]byte, min(restLength, 1<<20))
	for at := int64(0); at < restLength; at += int64(len(buffer)) {
		part := buffer[:min(int64(len(buffer)), restLength-at)]
		if volume.ReadFull(rest, part, at) != nil {
			return nil
		}
		runs.write(part)
	}
	return runs.runs
}

// giveUp ends an upload that nobody completes.
func (v *Volume) giveUp(key string, under objects.Upload) {
	if v.silence.lasts() {
		return
	}
	_ = v.once(v.ctx, func(ctx context.Context) error { return v.objects.Abort(ctx, key, under) })
}

// putPart sends one part; of one number the last counts, so that it may be sent again.
func (v *Volume) putPart(ctx context.Context, key string, under objects.Upload, number int, part []byte) (tag objects.Tag, err error) {
	err = v.send(ctx, func(ctx context.Context) (err error) {
		tag, err = v.objects.PutPart(ctx, key, under, number, part)
		return err
	})
	return tag, err
}

// completeUpload makes the object, of so many bytes, and looks whether it is there where that
// is not said.
func (v *Volume) completeUpload(ctx context.Context, key string, under objects.Upload, tags []objects.Tag, size int64) (err error) {
	patient, stop := context.WithTimeout(ctx, v.options.CommitTimeout)
	defer stop()
	for try := 1; ; try++ {
		err = v.once(patient, func(ctx context.Context) error {
			_, err := v.objects.Complete(ctx, key, under, tags)
			return err
		})
		if err == nil {
			return nil
		}
		found, looked := v.get(patient, key, objects.Read{Offset: size - 1, Length: 1})
		if looked == nil && found.Size == size {
			return nil
		}
		if v.pace.rest(patient, try) != nil {
			err = v.late(ctx, err)
		} else if !decided(err) || try < triesOfWrong {
			continue
		}
		return fmt.Errorf("complete the upload of an extent: %w", err)
	}
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
		}
		return nil
	}
	for (length+size-1)/size >= objects.MostParts {
		size *= 2
	}
	var under objects.Upload
	err := v.send(ctx, func(ctx context.Context) (err error) {
		under, err = v.objects.Begin(ctx, key)
		return err
	})
	var tags []objects.Tag
	for at := int64(0); at < length && err == nil; at += size {
		part := make([]byte, min(size, length-at))
		if err = volume.ReadFull(from, part, at); err != nil {
			break
		}
		if at+size >= length {
			part = append(part, encoded...)
		}
		var tag objects.Tag
		tag, err = v.putPart(ctx, key, under, len(tags)+1, part)
		tags = append(tags, tag)
	}
	if err == nil {
		err = v.completeUpload(ctx, key, under, tags, length+int64(len(encoded)))
	}
	if err != nil {
		v.giveUp(key, under)
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
