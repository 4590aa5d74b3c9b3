package bucket

import (
	"bytes"
	"context"
	"sync"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/objects"
)

// heads keeps what the ends of objects told, by their tags.
type heads struct {
	mu   sync.Mutex // guards what follows
	kept map[string]head
}

// head is what an object told when it had a tag.
type head struct {
	tag   objects.Tag
	info  volume.FileInfo
	born  int64
	moved bool // a tombstone
}

// headsKept bounds how many are.
const headsKept = 200_000

func newHeads() *heads { return &heads{kept: map[string]head{}} }

// find is what is known of an object with a tag.
func (h *heads) find(key string, tag objects.Tag) (head, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	found, some := h.kept[key]
	return found, some && found.tag == tag
}

func (h *heads) keep(key string, of head) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.kept) >= headsKept {
		clear(h.kept)
	}
	h.kept[key] = of
}

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
	t := &tail{head{found.Tag, a.info(a.Size), a.Born, found.Metadata[metaMoved] != ""}, found.Content}
	if int64(len(found.Content)) == found.Size && bytes.HasPrefix(found.Content, []byte(movedMark)) {
		t.moved = true
	}
	v.heads.keep(key, t.head)
	return t, nil
}
