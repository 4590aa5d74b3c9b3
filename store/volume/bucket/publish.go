package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"rvffs/segments"
	"rvffs/store/volume"
)

// Publish implements volume.Session: one request, as a rule. An error other than ErrMoved ends
// the session.
func (s *Session) Publish(ctx context.Context, c volume.Commit) (*volume.Version, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.Failed(); err != nil {
		return nil, err
	}
	s.publishing.Store(true)
	defer s.publishing.Store(false)
	l := s.log
	if _, err := s.newest(ctx); err != nil {
		return nil, err
	}
	if err := follows(c.Manifest, s.Base()); err != nil {
		return nil, s.Fail(err)
	}
	p, err := s.prepare(c)
	if err != nil {
		return nil, s.Fail(err)
	}
	_, version, err := l.swap(ctx, l.writer, p.build)
	if err != nil {
		return nil, s.lost(ctx, err)
	}
	s.mu.Lock()
	s.own = version
	for _, e := range p.parts {
		delete(s.open, e)
	}
	s.mu.Unlock()
	s.move(version)
	for _, e := range p.parts {
		e.mu.Lock()
		e.sealed = true
		e.forget()
		e.mu.Unlock()
	}
	l.tidy()
	s.pauseForOthers(ctx)
	return version, nil
}

// Confirm implements volume.Session. The object is swapped for one that shows the same, since
// an answer to a question may be of some time ago.
func (s *Session) Confirm(ctx context.Context) error {
	if err := s.Failed(); err != nil {
		return err
	}
	base, err := s.newest(ctx)
	if err != nil {
		return err
	}
	l := s.log
	_, _, err = l.swap(ctx, l.writer, func(ctx context.Context, newest *stored) (*stored, error) {
		if !shows(newest, base) {
			return nil, volume.ErrMoved
		}
		next := newest.next(newest.Modified)
		return next, l.volume.settleIn(ctx, next, newest)
	})
	if err != nil {
		return s.lost(ctx, err)
	}
	return nil
}

// follows refuses a manifest that was not made of the newest state: what others have committed
// since that is not in it.
func follows(manifest *segments.Manifest, base *volume.Version) error {
	if before := base.State.Manifest.Epoch; manifest.Epoch <= before {
		return fmt.Errorf("%w: epoch %d was made to be published on epoch %d", volume.ErrInput, manifest.Epoch, before)
	}
	return nil
}

// newest is the base, unless this process knows a newer version: then that is the base, and
// the error is ErrMoved.
func (s *Session) newest(ctx context.Context) (*volume.Version, error) {
	s.log.mu.Lock()
	newest := s.log.newest
	s.log.mu.Unlock()
	base := s.Base()
	if newest != base {
		s.move(newest)
		return nil, volume.ErrMoved
	}
	return base, ctx.Err()
}

// lost says what a swap that came to nothing means.
func (s *Session) lost(ctx context.Context, err error) error {
	l := s.log
	if !errors.Is(err, volume.ErrMoved) {
		if errors.Is(err, errMovedAway) {
			err = storeError(l.Name(), err)
		}
		return s.Fail(err)
	}
	err = s.awaitTurn(ctx)
	l.mu.Lock()
	newest := l.newest
	l.mu.Unlock()
	s.move(newest)
	if err != nil {
		return s.Fail(err)
	}
	return volume.ErrMoved
}

// publication is a commit on its way into a store object.
type publication struct {
	session *Session
	base    *volume.Version
	commit  volume.Commit
	parts   []*Extent // in the order in which they stand in the store
	image   []byte    // of the small segments and the manifest, which stand behind them
	start   int64     // where that does
	state   *segments.State
	edits   editing
	made    map[int64]extent // extents that were made of what was inline or is short, by where they begin
	horizon string           // of the object for which they were made
	log     string           // likewise
}

// prepare lays out a commit behind the base.
func (s *Session) prepare(c volume.Commit) (*publication, error) {
	p := &publication{session: s, commit: c, parts: placedInOrder(c.Parts), made: map[int64]extent{}, edits: editing{volume: s.log.volume}}
	s.mu.Lock()
	p.base = s.base
	p.start = s.base.State.End
	for _, e := range p.parts {
		if e.offset != p.start { // one that was settled before is not in this commit
			entry := e.entry()
			e.offset = p.start
			for i, named := range c.Manifest.Directory {
				if named == entry {
					c.Manifest.Directory[i].Offset = p.start
				}
			}
		}
		p.start += e.size()
	}
	id := s.takeIDs(uint64(len(c.Small) + 1))
	s.mu.Unlock()
	image, last, err := volume.Lay(p.start, id, c.Stamp, c.Small, c.Manifest)
	if err != nil {
		return nil, err
	}
	p.image = image
	p.state = &segments.State{Dialect: segments.DialectRuntime, Manifest: c.Manifest, Segment: last, End: last.End(), Clean: true}
	return p, nil
}

// shows reports whether a store object shows a version.
func shows(s *stored, version *volume.Version) bool {
	g := version.Generation.(*Generation)
	return s.ID == g.id && s.Generation == g.number && s.moved == nil && s.state != nil && s.state.Segment == version.State.Segment && s.state.End == version.State.End
}

// build makes the object that has the commit, of the newest one.
func (p *publication) build(ctx context.Context, newest *stored) (*stored, error) {
	s := p.session
	v := s.log.volume
	if !shows(newest, p.base) {
		return nil, volume.ErrMoved
	}
	if err := s.mayCommit(newest); err != nil {
		return nil, err
	}
	next := newest.next(v.options.Now())
	if err := v.settleIn(ctx, next, newest); err != nil {
		return nil, err
	}
	if log := next.log(); p.horizon != next.line.Horizon || p.log != log {
		for at, e := range p.made {
			if before(e.Name, next.line.Horizon) || p.log != log {
				delete(p.made, at)
			}
		}
		p.horizon, p.log = next.line.Horizon, log
	}
	for _, gone := range p.commit.Retired {
		if err := p.retire(ctx, next, gone); err != nil {
			return nil, err
		}
	}
	run := runOf(next)
	for _, e := range p.parts {
		if !e.long() {
			run.add(e.image(p.commit.Stamp))
			continue
		}
		if err := p.cut(ctx, next, run); err != nil {
			return nil, err
		}
		made, err := e.finish(ctx, p.commit.Stamp, next.log(), next.line.Horizon)
		if err != nil {
			return nil, err
		}
		next.append(made)
		run.at = next.line.Base
	}
	limit := v.options.Inline
	if len(next.line.Extents) > 0 {
		limit = v.options.InlineBeside
	}
	if run.length > 0 && run.length+int64(len(p.image)) > limit {
		if err := p.cut(ctx, next, run); err != nil {
			return nil, err
		}
	}
	next.inline = append(run.bytes(), p.image...)
	s.leaveQueue(next)
	next.ends(p.state)
	return next, nil
}

// lined has a line in front of an object, also where all is inline, so that it differs from what
// was there before: no tag must come back.
func (s *stored) lined(found *segments.State) {
	s.line.Log, s.line.Owner, s.line.Manifest = s.log(), s.key, found.Segment.Offset
}

// ends says that a state ends the store.
func (s *stored) ends(state *segments.State) {
	s.state, s.Size = state, state.End
	s.line.Manifest, s.line.Owner = state.Segment.Offset, s.key
	if len(s.line.Extents) == 0 && len(s.line.Retired) == 0 && len(s.line.Tickets) == 0 {
		s.line = line{Horizon: s.line.Horizon} // all is inline: it is a plain file
	} else {
		s.line.Log = s.log()
	}
}

// append names an extent behind the others.
func (s *stored) append(e extent) {
	s.line.Extents = append(s.line.Extents, e)
	s.line.Base += e.Length
	s.line.Log = s.log()
}

// retire names an extent that is needed no more by who reads the object.
func (s *stored) retire(name string, now int64) {
	s.line.Retired = append(s.line.Retired, retired{name, now, s.Generation})
}

// run is bytes behind the extents, segment by segment.
type run struct {
	at     int64 // where it begins in the store
	length int64
	pieces [][]byte
}

// runOf is what is inline.
func runOf(s *stored) *run {
	r := &run{at: s.line.Base}
	if len(s.inline) > 0 {
		r.add(s.inline)
	}
	return r
}

func (r *run) add(piece []byte) {
	r.pieces = append(r.pieces, piece)
	r.length += int64(len(piece))
}

func (r *run) bytes() []byte { return bytes.Join(r.pieces, nil) }

// longestRun bounds an extent that is made of several segments at once, in parts.
const longestRun = 4

// cut makes extents of a run and names them.
func (p *publication) cut(ctx context.Context, next *stored, r *run) error {
	v := p.session.log.volume
	for len(r.pieces) > 0 {
		count, length := 0, int64(0)
		for count < len(r.pieces) && (count == 0 || length+int64(len(r.pieces[count])) <= longestRun*v.options.Part) {
			length += int64(len(r.pieces[count]))
			count++
		}
		made, some := p.made[r.at]
		if !some || made.Length != length {
			content := bytes.Join(r.pieces[:count], nil)
			var err error
			if made, err = v.makeExtent(ctx, next.log(), bytes.NewReader(content), length, next.line.Horizon); err != nil {
				return err
			}
			p.made[r.at] = made
		}
		next.append(made)
		r.pieces, r.at, r.length = r.pieces[count:], r.at+length, r.length-length
	}
	return nil
}

// makeExtent makes an extent of whole segments.
func (v *Volume) makeExtent(ctx context.Context, log string, from interface {
	ReadAt([]byte, int64) (int, error)
}, length int64, horizon string) (extent, error) {
	foot, err := footerOfBytes(from, length)
	if err != nil {
		return extent{}, err
	}
	name := v.newExtentName(horizon)
	return extent{name, length}, v.upload(ctx, v.logKey(log)+name, from, length, foot)
}

// settleIn has all bytes of a store, up to the end of its newest state, in extents of its own
// and inline, where another program has put it there. The state is inline then.
func (v *Volume) settleIn(ctx context.Context, next, newest *stored) error {
	if err := v.find(ctx, newest, nil); err != nil {
		return err
	}
	end, manifest := newest.state.End, newest.state.Segment.Offset
	switch layout := v.layoutOf(newest); {
	case newest.large:
		next.large, next.line = false, line{Horizon: newest.line.Horizon}
		next.inline = make([]byte, end-manifest)
		bytes := &reader{v, layout}
		if err := volume.ReadFull(bytes, next.inline, manifest); err != nil {
			return err
		}
		made, err := v.copyExtent(ctx, next.log(), newest.key, manifest, bytes, next.line.Horizon)
		if err != nil {
			return err
		}
		next.append(made)
	case newest.line.Log != "" && newest.ofOthers():
		next.line = line{}
		for i, e := range newest.line.Extents {
			made, err := v.copyExtent(ctx, next.log(), layout.spans[i].key, e.Length, &spanReader{v, layout.spans[i]}, "")
			if err != nil {
				return err
			}
			next.append(made)
		}
	}
	next.inline = next.inline[:end-next.line.Base]
	next.ends(newest.state)
	if newest.line.Log != "" {
		next.lined(newest.state)
	}
	return nil
}

// spanReader reads a span.
type spanReader struct {
	volume *Volume
	span   span
}

// ReadAt implements io.ReaderAt, within the span.
func (r *spanReader) ReadAt(p []byte, offset int64) (int, error) {
	if offset+int64(len(p)) > r.span.length {
		return 0, fmt.Errorf("%w: %d bytes at %d of a span of %d", volume.ErrInput, len(p), offset, r.span.length)
	}
	return len(p), r.volume.readSpan(r.span, p, offset)
}

// retire makes a segment a dead one that the manifest names no more, as volume.Retire does.
func (p *publication) retire(ctx context.Context, next *stored, gone segments.DirectoryEntry) error {
	if gone.Offset < 0 || gone.Offset > p.base.State.End-segments.HeaderSize-4 {
		return nil // the directory points outside of the file
	}
	v := p.session.log.volume
	can, err := segments.CanRetire(&reader{v, v.layoutOf(next)}, gone)
	if err != nil || !can {
		return err
	}
	return p.edits.write(ctx, next, []byte{byte(segments.RetiredType)}, gone.Offset+segments.TypeOffset)
}

// editing writes over bytes that were published: inline ones, or of extents, which are made
// anew, each once.
type editing struct {
	volume *Volume
	made   map[string]extent // by the former name and what was written
}

// write writes bytes into an object that is being made.
func (d *editing) write(ctx context.Context, next *stored, p []byte, offset int64) error {
	v := d.volume
	if offset >= next.line.Base {
		next.inline = slices.Clone(next.inline)
		if copied := copy(next.inline[min(offset-next.line.Base, int64(len(next.inline))):], p); copied < len(p) {
			return fmt.Errorf("%w: %d bytes at %d behind the store's end", volume.ErrInput, len(p), offset)
		}
		return nil
	}
	at := int64(0)
	for i, e := range next.line.Extents {
		if at+e.Length <= offset {
			at += e.Length
			continue
		}
		part := p[:min(int64(len(p)), at+e.Length-offset)]
		what := fmt.Sprintf("%s %d %x", e.Name, offset-at, part)
		made, some := d.made[what]
		if !some || before(made.Name, next.line.Horizon) {
			var err error
			if made, err = v.rewritten(ctx, next, e, part, offset-at); err != nil {
				return err
			}
			if d.made == nil {
				d.made = map[string]extent{}
			}
			d.made[what] = made
		}
		next.line.Extents[i] = made
		next.retire(e.Name, v.options.Now().Unix())
		if len(part) < len(p) {
			return d.write(ctx, next, p[len(part):], offset+int64(len(part)))
		}
		return nil
	}
	return nil
}
