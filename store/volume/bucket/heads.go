package bucket

import (
	"bytes"
	"context"
	"sync"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/objects"
)

// heads keeps what the ends of objects told.
type heads struct {
	mu     sync.Mutex // guards what follows
	kept   map[string]head
	forgot bool // there were too many
}

// mark tells the states of an object apart that have a key one after the other. Another program may
// put the same bytes there once more, of another store or with other rights, and only the time tells.
type mark struct {
	tag objects.Tag
	at  int64 // when it was put there, in seconds since 1970
}

func markOf(tag objects.Tag, modified time.Time) mark { return mark{tag, modified.Unix()} }

// head is what an object told in a state.
type head struct {
	mark
	about about
	info  volume.FileInfo
	moved bool   // a tombstone
	note  []byte // what somebody has found in it; nil: nobody has looked
}

// headsKept bounds how many are.
const headsKept = 200_000

func newHeads() *heads { return &heads{kept: map[string]head{}} }

// find is what is known of an object in a state.
func (h *heads) find(key string, state mark) (head, bool) {
	found, some := h.findAny(key)
	return found, some && found.mark == state
}

// findAny is what is known of an object, whatever its tag is.
func (h *heads) findAny(key string) (head, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	found, some := h.kept[key]
	return found, some
}

func (h *heads) keep(key string, of head) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add(key, of)
}

// add is keep. The caller holds mu.
func (h *heads) add(key string, of head) {
	if before, some := h.kept[key]; some && before.mark == of.mark && of.note == nil {
		of.note = before.note
	}
	if len(h.kept) >= headsKept {
		clear(h.kept)
		h.forgot = true
	}
	h.kept[key] = of
}

func (h *heads) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.kept)
}

// remark notes what somebody has found in an object in a state, and reports whether that state is
// known.
func (h *heads) remark(key string, state mark, note []byte) (noted bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	found, some := h.kept[key]
	if !some || found.mark != state || found.moved {
		return false
	}
	found.note = note
	h.kept[key] = found
	return true
}

// headOf is what an object told.
func headOf(state mark, a about) head { return head{mark: state, about: a, info: a.info(a.Size)} }

// tailRead is how much of an object's end tells what is in it.
const tailRead = 4 << 10

// tail is the end of an object, and what it tells.
type tail struct {
	head
	content []byte
}

// tailOf reads the end of an object.
func (v *Volume) tailOf(ctx context.Context, key string) (*tail, error) {
	found, err := v.get(ctx, key, objects.Read{Offset: -tailRead})
	if err != nil {
		return nil, err
	}
	a := parseAbout(key, found, v.owner())
	t := &tail{headOf(markOf(found.Tag, found.Modified), a), found.Content}
	t.moved = found.Metadata[metaMoved] != ""
	if int64(len(found.Content)) == found.Size && bytes.HasPrefix(found.Content, []byte(movedMark)) {
		t.moved = true
	}
	v.heads.keep(key, t.head)
	return t, nil
}
