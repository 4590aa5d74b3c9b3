package bucket

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"rvffs/store/volume/bucket/objects"
)

// What the ends of objects told is kept in one object, for machines that have not read them: else
// a listing of many stores would read each of them. It is a hint. What it says of an object counts
// only for that in the same state; and nothing depends on whether it is there, whole or new.

// hints are what this process knows of that object.
type hints struct {
	mu    sync.Mutex  // guards what follows; never held over a request
	tag   objects.Tag // of the object as it was read or written last; empty: it is not known to be there
	asked time.Time   // when it was read last; zero: it was not
	fresh int         // heads that somebody has noted since it was written
	timer *time.Timer // until it is written; nil: it is not going to be
}

const (
	hintsKey = hidden + "/catalog"
	// hintsLeast is of how many objects nothing is known, or something new, when the hints are
	// read, or written.
	hintsLeast = 64
	// hintsShare is of which part of all something is new at least when they are written.
	hintsShare = 16
	// hintsPause is how long nothing new is noted until they are written, and hintsAge how old
	// they are at least when they are read once more.
	hintsPause = 2 * time.Second
	hintsAge   = time.Minute
	// hintsLimit bounds them, in bytes, and hintsUnpacked what they are packed of.
	hintsLimit, hintsUnpacked = 64 << 20, 512 << 20
	// hintsTime is how long a volume that is closed takes at most to write them.
	hintsTime = 5 * time.Second
)

// hintsMark is the first line of hints.
const hintsMark = `{"rvffs-catalog":1}`

// hint is what is kept of one object, in a line.
type hint struct {
	Name     string      `json:"name"` // its key behind the prefix
	Tag      objects.Tag `json:"tag"`
	At       int64       `json:"at"` // when it was put there, in seconds since 1970
	ID       string      `json:"id"`
	Born     int64       `json:"born"` // nanoseconds since 1970
	Size     int64       `json:"size"` // bytes of the store
	Mode     uint32      `json:"mode"`
	UID      uint32      `json:"uid"`
	GID      uint32      `json:"gid"`
	Modified int64       `json:"modified"` // nanoseconds since 1970
	Foreign  bool        `json:"foreign,omitempty"`
	Found    []byte      `json:"found"` // by whoever has peeked at it
}

// encodeHints packs hints.
func encodeHints(all []hint) []byte {
	var packed bytes.Buffer
	out, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err == nil {
		_, err = fmt.Fprintln(out, hintsMark)
	}
	for i := 0; i < len(all) && err == nil; i++ {
		err = json.NewEncoder(out).Encode(all[i])
	}
	if err = errors.Join(err, out.Close()); err != nil {
		panic(err) // into memory
	}
	return packed.Bytes()
}

// decodeHints unpacks hints, no more than so many.
func decodeHints(content []byte, most int) (all []hint, err error) {
	packed, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	in := bufio.NewReader(io.LimitReader(packed, hintsUnpacked))
	first, err := in.ReadString('\n')
	if err != nil || strings.TrimSpace(first) != hintsMark {
		return nil, fmt.Errorf("what is kept of the stores begins with %.40q, %w", first, err)
	}
	for lines := json.NewDecoder(in); len(all) < most; {
		var h hint
		if err := lines.Decode(&h); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		if h.Name == "" || h.Tag == "" || len(h.Found) > tailRead {
			return nil, fmt.Errorf("what is kept of %.40q says too little or too much", h.Name)
		}
		all = append(all, h)
	}
	return all, nil
}

// hintOf is what is kept of an object.
func (v *Volume) hintOf(key string, h head) hint {
	a := h.about
	return hint{
		Name: key[len(v.prefix):], Tag: h.tag, At: h.at, ID: a.ID, Born: a.Born, Size: a.Size, Mode: modeBits(a.Mode), UID: a.UID, GID: a.GID,
		Modified: a.Modified.UnixNano(), Foreign: a.Foreign, Found: h.note,
	}
}

// headOfHint is what it told.
func (v *Volume) headOfHint(h hint) head {
	a := about{
		ID: h.ID, Born: h.Born, Size: h.Size, Mode: modeOf(h.Mode), UID: h.UID, GID: h.GID, Modified: time.Unix(0, h.Modified), Foreign: h.Foreign,
	}
	if a.Foreign {
		a.UID, a.GID = v.options.UID, v.options.GID
	}
	told := headOf(mark{h.Tag, h.At}, a)
	told.note = h.Found
	return told
}

// recallHints reads the hints where nothing is known of many objects of a folder.
func (v *Volume) recallHints(ctx context.Context, folder string, p *pages) {
	key := v.folderKey(folder)
	unknown := 0
	for name, state := range p.marks {
		if found, known := v.heads.find(key+name, state); !known || found.note == nil && !found.moved {
			unknown++
		}
	}
	v.hints.mu.Lock()
	due := unknown >= hintsLeast && time.Since(v.hints.asked) > hintsAge
	v.hints.mu.Unlock()
	if due {
		v.readHints(ctx)
	}
}

// readHints reads them, as far as they are others than those that were read last. Where that
// fails nothing is known.
func (v *Volume) readHints(ctx context.Context) {
	v.hints.mu.Lock()
	before := v.hints.tag
	v.hints.asked = time.Now()
	v.hints.mu.Unlock()
	found, err := v.get(ctx, v.prefix+hintsKey, objects.Read{Length: hintsLimit, NoneMatch: before})
	v.hints.mu.Lock()
	switch {
	case err == nil:
		v.hints.tag = found.Tag
	case errors.Is(err, objects.ErrNotFound):
		v.hints.tag = ""
	}
	v.hints.mu.Unlock()
	if err != nil || int64(len(found.Content)) < found.Size {
		return
	}
	all, err := decodeHints(found.Content, headsKept)
	if err != nil {
		return // they are written anew
	}
	v.heads.learn(all, v)
}

// learn takes over what hints say of objects of which nothing is known.
func (h *heads) learn(all []hint, v *Volume) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range all {
		key := v.prefix + one.Name
		before, known := h.kept[key]
		switch {
		case known && before.mark == mark{one.Tag, one.At} && before.note == nil && !before.moved:
			before.note = one.Found
			h.kept[key] = before
		case !known:
			h.add(key, v.headOfHint(one))
		}
	}
}

// noted is told of something new, and has the hints written when nothing more comes for a moment.
func (h *hints) noted(v *Volume) {
	if v.options.ReadOnly || v.options.Untidy {
		return
	}
	all := v.heads.count()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fresh++
	switch {
	case h.fresh < max(hintsLeast, all/hintsShare):
	case h.timer == nil:
		h.timer = time.AfterFunc(hintsPause, func() { v.beside.do(func() { v.writeHints(v.ctx) }) })
	default:
		h.timer.Reset(hintsPause)
	}
}

// close writes what is still to be written.
func (h *hints) close(v *Volume) {
	h.mu.Lock()
	due := h.timer != nil && h.timer.Stop()
	h.mu.Unlock()
	if !due || v.silence.lasts() {
		return
	}
	ctx, stop := context.WithTimeout(v.ctx, hintsTime)
	defer stop()
	v.writeHints(ctx)
}

// writeHints writes all that is known, with what others have written, where nobody is faster. Else they
// are written with what comes next.
func (v *Volume) writeHints(ctx context.Context) {
	h := &v.hints
	v.readHints(ctx)
	h.mu.Lock()
	fresh, tag := h.fresh, h.tag
	h.timer = nil
	h.mu.Unlock()
	all := v.knownHeads()
	if all == nil {
		return
	}
	content := encodeHints(all)
	if len(content) > hintsLimit {
		return
	}
	var now objects.Tag
	err := v.once(ctx, func(ctx context.Context) (err error) {
		now, err = v.objects.Put(ctx, v.prefix+hintsKey, content, nil, objects.Condition{Match: tag, None: tag == ""})
		return err
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.tag = now
		h.fresh -= fresh
	}
}

// knownHeads are those of which somebody has noted something, but for objects of which a listing
// has shown that they are gone or others; nil where too many were known to know them all.
func (v *Volume) knownHeads() (all []hint) {
	v.listed.mu.Lock()
	folders := maps.Clone(v.listed.folders)
	v.listed.mu.Unlock()
	v.heads.mu.Lock()
	defer v.heads.mu.Unlock()
	if v.heads.forgot {
		return nil
	}
	for key, found := range v.heads.kept {
		if found.note == nil || found.moved || !strings.HasPrefix(key, v.prefix) {
			continue
		}
		name := key[len(v.prefix):]
		if p, some := folders[path.Dir(name)]; some && p.marks[path.Base(name)] != found.mark {
			continue
		}
		all = append(all, v.hintOf(key, found))
	}
	slices.SortFunc(all, func(a, b hint) int { return strings.Compare(a.Name, b.Name) })
	return all
}
