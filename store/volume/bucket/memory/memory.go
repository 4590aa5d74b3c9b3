package memory

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"rvffs/store/volume/bucket/objects"
)

// Bucket is a bucket in memory. Its fields are set before it is used.
type Bucket struct {
	// Fault says what goes wrong with a request; nil: nothing does.
	Fault func(Request) Fault
	// Delay is how long a request takes, there and back again half of it each.
	Delay time.Duration
	// LaxDelete has conditions of Delete ignored, as some servers do.
	LaxDelete bool

	mu      sync.Mutex // guards what follows
	objects map[string][]*version
	uploads map[objects.Upload]*upload
	late    []func() // changes that are applied later
	changes int      // that were applied
	count   int
	counts  map[string]int // of requests, by their kind
	bytes   int64          // that were sent or received
}

// version is an object between two changes; one without content was deleted.
type version struct {
	content  []byte
	gone     bool
	change   int // which one made it
	tag      objects.Tag
	modified time.Time
	meta     objects.Metadata
}

type upload struct {
	key   string
	meta  objects.Metadata
	parts map[int][]byte
}

// Request is one that somebody makes.
type Request struct {
	Number  int    // from 1
	Kind    string // "get", "put", "delete", "list", "copy", "begin", "part", "copy part", "complete", "abort"
	Key     string
	Changes bool // something that others see
}

// Fault is what becomes of a request.
type Fault uint8

// The faults. Of those that only a change can have, another request has none.
const (
	None      Fault = iota
	Lost            // it does not arrive, and there is no answer
	Unsaid          // it is applied, and there is no answer
	Refused         // 503, not applied
	Broken          // 500, applied
	Condition       // 412, applied
	Conflict        // 409, applied
	Later           // no answer, applied before one of the next requests
	Twice           // applied, and once more before one of the next requests
	Older           // the answer to a question is that of before the newest change
	faults
)

// Faults is how many kinds of them there are, None included.
const Faults = int(faults)

// New makes an empty one.
func New() *Bucket {
	return &Bucket{objects: map[string][]*version{}, uploads: map[objects.Upload]*upload{}, counts: map[string]int{}}
}

// Changes is how many changes were applied.
func (b *Bucket) Changes() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changes
}

// State is another bucket as this one was after so many changes: what a machine leaves that
// dies then. Uploads that were not complete are not in it.
func (b *Bucket) State(changes int) *Bucket {
	b.mu.Lock()
	defer b.mu.Unlock()
	state := New()
	state.Delay, state.LaxDelete, state.changes = b.Delay, b.LaxDelete, changes
	for key, versions := range b.objects {
		for _, v := range versions {
			if v.change <= changes {
				state.objects[key] = append(state.objects[key], v)
			}
		}
	}
	return state
}

var _ objects.Bucket = (*Bucket)(nil)

// errNoKey is that of a request that a client does not even send.
var errNoKey = fmt.Errorf("an object has a key")

// errNoAnswer is that of a connection that broke.
var errNoAnswer = fmt.Errorf("no answer from the server")

// Requests counts the requests of a kind, all for "".
func (b *Bucket) Requests(kind string) (count int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if kind == "" {
		return b.count
	}
	return b.counts[kind]
}

// Bytes is how many were sent and received.
func (b *Bucket) Bytes() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes
}

// Keys lists what is there with a prefix.
func (b *Bucket) Keys(prefix string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.keys(prefix)
}

// Content is an object's bytes, nil without it.
func (b *Bucket) Content(key string) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if v := b.newest(key); v != nil {
		return slices.Clone(v.content)
	}
	return nil
}

// Damage has a bit of an object rot.
func (b *Bucket) Damage(key string, offset int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := b.newest(key)
	v.content = slices.Clone(v.content)
	v.content[offset] ^= 1
}

// Upload puts an object as another program does.
func (b *Bucket) Upload(key string, content []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, _ = b.place(key, slices.Clone(content), nil, objects.Condition{}, tagOf(content))
}

// Copied copies an object as another program does, with all that stands beside it.
func (b *Bucket) Copied(from, to string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := b.newest(from)
	_, _ = b.place(to, v.content, v.meta, objects.Condition{}, v.tag)
}

// Arrive applies what was still under way.
func (b *Bucket) Arrive() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.late) > 0 {
		b.arrive()
	}
}

func (b *Bucket) arrive() {
	next := b.late[0]
	b.late = b.late[1:]
	next()
}

// keys is Keys. The caller holds mu.
func (b *Bucket) keys(prefix string) (keys []string) {
	for key := range b.objects {
		if strings.HasPrefix(key, prefix) && b.newest(key) != nil {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// newest is an object as it is, nil without. The caller holds mu.
func (b *Bucket) newest(key string) *version {
	versions := b.objects[key]
	if len(versions) == 0 || versions[len(versions)-1].gone {
		return nil
	}
	return versions[len(versions)-1]
}

// seen is an object as it is, or as it was before. The caller holds mu.
func (b *Bucket) seen(key string, older bool) *version {
	versions := b.objects[key]
	if older && len(versions) > 0 {
		versions = versions[:len(versions)-1]
	}
	if len(versions) == 0 || versions[len(versions)-1].gone {
		return nil
	}
	return versions[len(versions)-1]
}

// change makes one request that changes something that others see.
func change[T any](ctx context.Context, b *Bucket, kind, key string, apply func() (T, error)) (T, error) {
	return request(ctx, b, kind, key, true, func(bool) (T, error) { return apply() })
}

// request makes one.
func request[T any](ctx context.Context, b *Bucket, kind, key string, changes bool, apply func(older bool) (T, error)) (answer T, err error) {
	var none T
	if key == "" && kind != "list" {
		return none, errNoKey
	}
	if err := b.wait(ctx); err != nil {
		return none, err
	}
	defer func() {
		if late := b.wait(ctx); late != nil && err == nil {
			answer, err = none, late // the answer comes too late for who asked
		}
	}()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count++
	b.counts[kind]++
	fault := None
	if b.Fault != nil {
		fault = b.Fault(Request{Number: b.count, Kind: kind, Key: key, Changes: changes})
	}
	if len(b.late) > 0 && (fault != Later && fault != Twice || len(b.late) > 3) {
		b.arrive()
	}
	if !changes && fault != Lost && fault != Refused && fault != Older {
		fault = None
	}
	if changes && fault == Older {
		fault = None
	}
	switch fault {
	case Lost:
		return none, errNoAnswer
	case Refused:
		return none, fmt.Errorf("%w: 503 slow down", objects.ErrServer)
	case Later:
		b.late = append(b.late, func() { _, _ = apply(false) })
		return none, errNoAnswer
	}
	answer, err = apply(fault == Older)
	switch fault {
	case Unsaid:
		return none, errNoAnswer
	case Broken:
		return none, fmt.Errorf("%w: 500 internal error", objects.ErrServer)
	case Condition:
		return none, objects.ErrCondition
	case Conflict:
		return none, objects.ErrConflict
	case Twice:
		b.late = append(b.late, func() { _, _ = apply(false) })
	}
	return answer, err
}

// wait is half of a round trip.
func (b *Bucket) wait(ctx context.Context) error {
	if b.Delay == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(b.Delay / 2)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Get implements objects.Bucket.
func (b *Bucket) Get(ctx context.Context, key string, read objects.Read) (*objects.Object, error) {
	return request(ctx, b, "get", key, false, func(older bool) (*objects.Object, error) {
		v := b.seen(key, older)
		switch {
		case v == nil:
			return nil, fmt.Errorf("%w: %s", objects.ErrNotFound, key)
		case read.NoneMatch != "" && v.tag == read.NoneMatch:
			return nil, objects.ErrSame
		case read.Match != "" && v.tag != read.Match:
			return nil, objects.ErrCondition
		}
		size := int64(len(v.content))
		from := read.Offset
		if from < 0 {
			from = max(0, size+from)
		}
		from = min(from, size)
		to := size
		if read.Length > 0 {
			to = min(size, from+read.Length)
		}
		b.bytes += to - from
		return &objects.Object{
			Content: slices.Clone(v.content[from:to]), Size: size, Tag: v.tag, Modified: v.modified, Metadata: maps.Clone(v.meta),
		}, nil
	})
}

// place puts an object, if the condition holds. The caller holds mu.
func (b *Bucket) place(key string, content []byte, meta objects.Metadata, only objects.Condition, tag objects.Tag) (objects.Tag, error) {
	now := b.newest(key)
	switch {
	case only.None && now != nil:
		return "", objects.ErrCondition
	case only.Match != "" && now == nil:
		return "", fmt.Errorf("%w: %s", objects.ErrNotFound, key)
	case only.Match != "" && now.tag != only.Match:
		return "", objects.ErrCondition
	}
	b.add(key, &version{content: content, tag: tag, modified: time.Now().Truncate(time.Second), meta: meta})
	return tag, nil
}

// add makes a version the newest. The caller holds mu.
func (b *Bucket) add(key string, v *version) {
	b.changes++
	v.change = b.changes
	b.objects[key] = append(b.objects[key], v)
}

func tagOf(content []byte) objects.Tag {
	sum := md5.Sum(content)
	return objects.Tag(`"` + hex.EncodeToString(sum[:]) + `"`)
}

// Put implements objects.Bucket.
func (b *Bucket) Put(ctx context.Context, key string, content []byte, meta objects.Metadata, only objects.Condition) (objects.Tag, error) {
	content, meta = slices.Clone(content), maps.Clone(meta)
	size := 0
	for name, value := range meta {
		size += len(name) + len(value)
	}
	if size > 2<<10 {
		return "", fmt.Errorf("%w: metadata of %d bytes", objects.ErrDenied, size)
	}
	return change(ctx, b, "put", key, func() (objects.Tag, error) {
		b.bytes += int64(len(content))
		return b.place(key, content, meta, only, tagOf(content))
	})
}

// PutLong implements objects.Bucket.
func (b *Bucket) PutLong(ctx context.Context, key string, content io.ReadSeeker, length int64, meta objects.Metadata, only objects.Condition) (objects.Tag, error) {
	sent := make([]byte, length)
	if _, err := io.ReadFull(content, sent); err != nil {
		return "", err
	}
	return b.Put(ctx, key, sent, meta, only)
}

// Delete implements objects.Bucket.
func (b *Bucket) Delete(ctx context.Context, key string, only objects.Condition) error {
	_, err := change(ctx, b, "delete", key, func() (struct{}, error) {
		now := b.newest(key)
		switch {
		case only.Match != "" && !b.LaxDelete && (now == nil || now.tag != only.Match):
			return struct{}{}, objects.ErrCondition
		case now != nil:
			b.add(key, &version{gone: true})
		}
		return struct{}{}, nil
	})
	return err
}

// List implements objects.Bucket.
func (b *Bucket) List(ctx context.Context, list objects.List) (*objects.Page, error) {
	return request(ctx, b, "list", list.Prefix, false, func(bool) (*objects.Page, error) {
		most := list.Most
		if most <= 0 || most > 1000 {
			most = 1000
		}
		page := &objects.Page{}
		for _, key := range b.keys(list.Prefix) {
			name := key
			rest := key[len(list.Prefix):]
			folder := false
			if list.Delimiter != "" {
				if before, _, cut := strings.Cut(rest, list.Delimiter); cut {
					name, folder = list.Prefix+before+list.Delimiter, true
				}
			}
			if name <= max(list.After, list.From) || folder && len(page.Prefixes) > 0 && page.Prefixes[len(page.Prefixes)-1] == name {
				continue
			}
			if len(page.Entries)+len(page.Prefixes) == most {
				page.Next = last(page)
				break
			}
			if folder {
				page.Prefixes = append(page.Prefixes, name)
				continue
			}
			v := b.newest(key)
			page.Entries = append(page.Entries, objects.Entry{Key: key, Size: int64(len(v.content)), Tag: v.tag, Modified: v.modified})
		}
		return page, nil
	})
}

// last is the last name of a page.
func last(page *objects.Page) string {
	name := ""
	if n := len(page.Entries); n > 0 {
		name = page.Entries[n-1].Key
	}
	if n := len(page.Prefixes); n > 0 {
		name = max(name, page.Prefixes[n-1])
	}
	return name
}

// Copy implements objects.Bucket.
func (b *Bucket) Copy(ctx context.Context, from, to string) (objects.Tag, error) {
	return change(ctx, b, "copy", to, func() (objects.Tag, error) {
		v := b.newest(from)
		if v == nil {
			return "", fmt.Errorf("%w: %s", objects.ErrNotFound, from)
		}
		return b.place(to, v.content, v.meta, objects.Condition{}, tagOf(v.content))
	})
}

// Begin implements objects.Uploads.
func (b *Bucket) Begin(ctx context.Context, key string, meta objects.Metadata) (objects.Upload, error) {
	return request(ctx, b, "begin", key, false, func(bool) (objects.Upload, error) {
		name := objects.Upload("upload-" + strconv.Itoa(b.count))
		b.uploads[name] = &upload{key: key, meta: maps.Clone(meta), parts: map[int][]byte{}}
		return name, nil
	})
}

// PutPart implements objects.Uploads.
func (b *Bucket) PutPart(ctx context.Context, key string, name objects.Upload, number int, content []byte) (objects.Tag, error) {
	content = slices.Clone(content)
	return request(ctx, b, "part", key, false, func(bool) (objects.Tag, error) {
		b.bytes += int64(len(content))
		return b.part(key, name, number, content)
	})
}

// part takes a part. The caller holds mu.
func (b *Bucket) part(key string, name objects.Upload, number int, content []byte) (objects.Tag, error) {
	under := b.uploads[name]
	if under == nil || under.key != key {
		return "", fmt.Errorf("%w: upload %s", objects.ErrNotFound, name)
	}
	if number < 1 || number > objects.MostParts {
		return "", fmt.Errorf("%w: part %d", objects.ErrDenied, number)
	}
	under.parts[number] = content
	return tagOf(content), nil
}

// CopyPart implements objects.Uploads.
func (b *Bucket) CopyPart(ctx context.Context, key string, name objects.Upload, number int, from string, offset, length int64) (objects.Tag, error) {
	return request(ctx, b, "copy part", key, false, func(bool) (objects.Tag, error) {
		v := b.newest(from)
		if v == nil {
			return "", fmt.Errorf("%w: %s", objects.ErrNotFound, from)
		}
		if offset < 0 || length <= 0 || offset+length > int64(len(v.content)) {
			return "", fmt.Errorf("%w: bytes %d to %d of %d", objects.ErrDenied, offset, offset+length, len(v.content))
		}
		return b.part(key, name, number, slices.Clone(v.content[offset:offset+length]))
	})
}

// Complete implements objects.Uploads.
func (b *Bucket) Complete(ctx context.Context, key string, name objects.Upload, parts []objects.Tag, only objects.Condition) (objects.Tag, error) {
	return change(ctx, b, "complete", key, func() (objects.Tag, error) {
		under := b.uploads[name]
		if under == nil || under.key != key {
			return "", fmt.Errorf("%w: upload %s", objects.ErrNotFound, name)
		}
		var content, tags []byte
		for i, tag := range parts {
			part, some := under.parts[i+1]
			if !some || tagOf(part) != tag {
				return "", fmt.Errorf("%w: part %d is not the one that was sent", objects.ErrDenied, i+1)
			}
			if i+1 < len(parts) && len(part) < objects.SmallestPart {
				return "", fmt.Errorf("%w: part %d has %d bytes", objects.ErrDenied, i+1, len(part))
			}
			content = append(content, part...)
			tags = append(tags, tag...)
		}
		tag, err := b.place(key, content, under.meta, only, tagOf(tags)+objects.Tag("-"+strconv.Itoa(len(parts))))
		if err == nil {
			delete(b.uploads, name)
		}
		return tag, err
	})
}

// Abort implements objects.Uploads.
func (b *Bucket) Abort(ctx context.Context, key string, name objects.Upload) error {
	_, err := request(ctx, b, "abort", key, false, func(bool) (struct{}, error) {
		delete(b.uploads, name)
		return struct{}{}, nil
	})
	return err
}

// Uploads counts those that are not complete.
func (b *Bucket) Uploads() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.uploads)
}
