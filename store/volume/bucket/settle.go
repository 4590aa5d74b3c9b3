package bucket

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"time"

	"rvffs/segments"
	"rvffs/store/volume"
	"rvffs/store/volume/bucket/objects"
)

// A store is settled when its object is its file again, and nothing else: other programs can read
// it then. Until somebody changes it, it names no extents. Writers that are under way have made
// some, and may name them; those from before a moment, the horizon, they copy first. So these can be
// swept away. Where there is no line to say so, the object's metadata do.

// long is the content of an object that is not held in memory.
type long struct {
	bytes  io.ReaderAt
	size   int64
	end    string  // the checksum of its last bytes
	pieces []piece // of which the bucket makes it, where it is too long to be sent at once
}

// endOf is the checksum of the last bytes of an object.
func endOf(last []byte) string { return fmt.Sprintf("%08x", crc32.Checksum(last, castagnoli)) }

// horizonOf is the one that metadata tell of; empty: none.
func horizonOf(meta objects.Metadata) string {
	text := meta[metaHorizon]
	if len(text) != timeDigits {
		return ""
	}
	for _, digit := range []byte(text) {
		if digit < '0' || digit > '9' && digit < 'a' || digit > 'f' {
			return ""
		}
	}
	return text
}

// parseSettled makes a store object of one that was settled, and is too large to be read at once.
// One of which another program has changed the bytes is that program's.
func (v *Volume) parseSettled(ctx context.Context, key string, found *objects.Object) (*stored, error) {
	tail, err := v.get(ctx, key, objects.Read{Offset: -tailRead, Match: found.Tag})
	if err != nil {
		return nil, err
	}
	s, err := v.parse(key, found, true)
	a := parseAbout(key, found, v.owner())
	if err == nil && a.Size == found.Size && found.Metadata[metaEnd] == endOf(tail.Content) {
		s.about, s.home = a, v.logOf(a.ID)
		s.line.Horizon = horizonOf(found.Metadata)
	}
	return s, err
}

// Settled is what came of settling a store.
type Settled struct {
	Bytes   int64 `json:"bytes"`   // of the store
	Extents int   `json:"extents"` // that it had
	Changed bool  `json:"changed"` // false: its object was its file already
}

// SettleStore makes one plain object of a store: its file, which other programs can read. The next who
// changes the store makes extents of it again, where it is a large one. Its bytes go through this machine, and each
// is told of, and how many there are; those that lie in extents are checked. One that is too long to be sent at once the
// bucket makes of its extents. It has to be made anew when others write to the
// store meanwhile, and fails with ErrHeld where they do all the time.
func (v *Volume) SettleStore(ctx context.Context, name string, read func(bytes, of int64)) (done Settled, err error) {
	key, err := v.key(name)
	if err != nil {
		return done, failure("settle", name, err)
	}
	known, err := v.readWhole(ctx, key, "", v.options.Memory)
	if err == nil && known.moved != nil {
		_, err = v.finish(ctx, known)
		err = errors.Join(err, errNoObject)
	}
	until := time.Now().Add(v.options.CommitTimeout)
	tries := 0
	swap := swapping{volume: v, writer: newWriter(), memory: v.options.Memory, build: func(ctx context.Context, newest *stored) (*stored, error) {
		if done = (Settled{Bytes: newest.state.End, Extents: len(newest.line.Extents)}); newest.line.Log == "" {
			return nil, errNotNow
		}
		if tries++; tries > 1 && time.Now().After(until) {
			return nil, fmt.Errorf("%w: others have written to it all the time, %d times before it was sent: settle it while nobody does", volume.ErrHeld, tries-1)
		}
		next, err := v.settled(ctx, newest, read)
		if err == nil {
			done.Bytes, done.Changed = next.Size, true
		}
		return next, err
	}}
	if err == nil {
		_, _, err = swap.run(ctx, known)
	}
	if err != nil && !errors.Is(err, errNotNow) {
		return Settled{}, failure("settle", name, err)
	}
	return done, nil
}

// settled makes the plain object of a store.
func (v *Volume) settled(ctx context.Context, newest *stored, read func(bytes, of int64)) (*stored, error) {
	size := newest.state.End
	if size > v.options.AtOnce && !v.options.SwapsParts {
		return nil, fmt.Errorf("%w: it has %d bytes, and where the server keeps no condition of an object in parts (rvffs s3 check tells that) one has %d at most: rvffs export -f rvf makes a file of it", volume.ErrInput, size, v.options.AtOnce)
	}
	next := newest.next(newest.Modified)
	horizon := max(timeName(v.options.Now()), newest.line.Horizon)
	if !newest.ofOthers() {
		// Noted before it is so: what is named still when it is looked there stays.
		if err := v.noteLeft(ctx, newest.log(), horizon); err != nil {
			return nil, err
		}
	}
	// A commit of nothing makes other bytes of it than ever were an object: no tag must come back.
	manifest := *newest.state.Manifest
	manifest.Epoch++
	image, last, err := volume.Lay(size, newest.state.NextID(), uint64(v.options.Now().UnixNano()), nil, &manifest)
	if err != nil {
		return nil, err
	}
	layout := v.layoutOf(newest)
	layout.inline = append(slices.Clone(layout.inline[:size-layout.base]), image...)
	size = last.End()
	layout.size = size
	next.state = &segments.State{Dialect: segments.DialectRuntime, Manifest: &manifest, Segment: last, End: size, Clean: true}
	next.line, next.Size = line{Horizon: horizon}, size
	bytes := &counted{&reader{v, layout}, read}
	if size <= firstRead {
		next.inline = make([]byte, size)
		return next, volume.ReadFull(volume.Watch(ctx, bytes), next.inline, 0)
	}
	tail := make([]byte, tailRead)
	if err := volume.ReadFull(bytes, tail, size-tailRead); err != nil {
		return nil, err
	}
	next.large, next.inline, next.long = true, nil, &long{bytes: bytes, size: size, end: endOf(tail)}
	if size > v.options.AtOnce {
		next.long.pieces = layout.pieces()
	}
	return next, nil
}

// pieces are the bytes of a layout as an object can be assembled of them.
func (l *layout) pieces() (pieces []piece) {
	for _, s := range l.spans {
		pieces = append(pieces, piece{key: s.key, length: s.length})
	}
	return append(pieces, piece{length: int64(len(l.inline)), content: l.inline})
}

// counted tells how many bytes are read.
type counted struct {
	*reader
	read func(bytes, of int64)
}

// ReadAt implements io.ReaderAt.
func (c *counted) ReadAt(p []byte, offset int64) (int, error) {
	n, err := c.reader.ReadAt(p, offset)
	c.read(int64(n), c.size)
	return n, err
}

// replaceLong is replace of an object that is sent as long as bytes of it go out, once: who wants
// to have it sent again asks for that.
func (s *swapping) replaceLong(ctx context.Context, known, next *stored, number uint64) (made, newest *stored, err error) {
	v := s.volume
	put := v.putLong
	if next.long.pieces != nil {
		put = v.putInParts
	}
	tag, last := put(ctx, known.key, next, objects.Condition{Match: known.tag})
	if last == nil {
		next.tag = tag
		return next, next, nil
	}
	deadline, stop := context.WithTimeout(ctx, v.options.CommitTimeout)
	defer stop()
	found, err := s.look(deadline, known, 1)
	if err != nil {
		return nil, known, s.tooLate(ctx, deadline, errors.Join(err, last))
	}
	made, newest, over, err := s.becameOf(known, next, found, number, last)
	if !over {
		err = last
	}
	return made, newest, err
}

// putLong puts one, as long as it goes on: what has not gone on for as long as a commit may take is
// given up.
func (v *Volume) putLong(ctx context.Context, key string, s *stored, only objects.Condition) (objects.Tag, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	patience := v.options.CommitTimeout
	idle := time.AfterFunc(patience, stop)
	defer idle.Stop()
	content := &moving{io.NewSectionReader(s.long.bytes, 0, s.long.size), func() { idle.Reset(patience) }}
	tag, err := v.objects.PutLong(ctx, key, content, s.long.size, s.metadata(nil), only)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w within %v: %w", objects.ErrSilent, patience, err)
	}
	return tag, err
}

// putInParts has the bucket make one of other objects, which it copies.
func (v *Volume) putInParts(ctx context.Context, key string, s *stored, only objects.Condition) (objects.Tag, error) {
	sending, err := v.beginUpload(ctx, key, s.metadata(nil))
	if err != nil {
		return "", err
	}
	defer sending.drop()
	if err := sending.assemble(ctx, s.long.pieces); err != nil {
		return "", err
	}
	return sending.swap(ctx, s.long.size, only)
}

// moving tells when it is read.
type moving struct {
	io.ReadSeeker
	goesOn func()
}

// Read implements io.Reader.
func (m *moving) Read(p []byte) (int, error) {
	n, err := m.ReadSeeker.Read(p)
	m.goesOn()
	return n, err
}
