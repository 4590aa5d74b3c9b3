package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/objects"
)

// folder is a folder of the bucket: what all keys in it begin with. It has no more to it than
// an object of that key, where it has attributes of its own or holds nothing.
type folder struct {
	volume *Volume
	name   string // from the topmost one, "." for that
	caller volume.Caller
}

var _ volume.Folder = (*folder)(nil)

// failure says what was done to which name.
func failure(operation, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: operation, Path: name, Err: err}
}

// full is a name from the topmost folder.
func (f *folder) full(name string) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	full := path.Join(f.name, name)
	if first, _, _ := strings.Cut(full, "/"); first == hidden {
		return "", fs.ErrNotExist
	}
	if len(f.volume.prefix)+len(full) > longestKey {
		return "", syscall.ENAMETOOLONG
	}
	return full, nil
}

// key is where the object of a name lies.
func (f *folder) key(name string) (string, error) {
	full, err := f.full(name)
	return f.volume.prefix + full, err
}

// folderKey is what the keys in a folder begin with.
func (v *Volume) folderKey(full string) string {
	if full == "." {
		return v.prefix
	}
	return v.prefix + full + "/"
}

// markerKey is where the object of a folder lies. That of a whole bucket has no name that an object
// could have.
func (v *Volume) markerKey(full string) string {
	if key := v.folderKey(full); key != "" {
		return key
	}
	return hidden + "/"
}

// isFolder reports whether a key is that of a folder: something is in it, its own object or
// another, that was not removed.
func (v *Volume) isFolder(ctx context.Context, key string) (is bool, err error) {
	if key == v.prefix+"." {
		return true, nil
	}
	err = v.walk(ctx, objects.List{Prefix: key + "/", Most: 1}, func(entry objects.Entry) bool {
		is = !v.isTombstone(ctx, entry)
		return !is
	})
	return is, err
}

// checkNoFolder refuses a key that is a folder's.
func (v *Volume) checkNoFolder(ctx context.Context, key string) error {
	is, err := v.isFolder(ctx, key)
	if is {
		return volume.ErrExists
	}
	return err
}

// walk goes through all keys with a prefix, as long as somebody wants to. The first page may
// be a small one.
func (v *Volume) walk(ctx context.Context, list objects.List, next func(objects.Entry) bool) error {
	for {
		page, err := v.list(ctx, list)
		if err != nil {
			return err
		}
		for _, entry := range page.Entries {
			if !next(entry) {
				return nil
			}
		}
		if list.After, list.Most = page.Next, 0; list.After == "" {
			return nil
		}
	}
}

// describe tells what stands at a name.
func (f *folder) describe(ctx context.Context, name string) (volume.FileInfo, error) {
	full, err := f.reach(ctx, name)
	if err != nil {
		return volume.FileInfo{}, err
	}
	return f.volume.standsAt(ctx, full)
}

// glance is describe for who only looks.
func (f *folder) glance(ctx context.Context, name string) (volume.FileInfo, error) {
	full, err := f.reach(ctx, name)
	if err != nil {
		return volume.FileInfo{}, err
	}
	return f.volume.glance(ctx, full, func(ctx context.Context) (volume.FileInfo, error) {
		if info, known := f.volume.amongOthers(ctx, full); known {
			return info, nil
		}
		return f.volume.standsAt(ctx, full)
	})
}

// reach is the path of a name from the topmost folder, if the caller may go there.
func (f *folder) reach(ctx context.Context, name string) (full string, err error) {
	if full, err = f.full(name); err == nil {
		err = f.mayReach(ctx, full)
	}
	return full, err
}

// standsAt tells what stands at a name from the topmost folder.
func (v *Volume) standsAt(ctx context.Context, full string) (volume.FileInfo, error) {
	if full != "." {
		found, err := v.tailOf(ctx, v.prefix+full)
		switch {
		case err == nil && found.moved:
			err = v.finishAt(ctx, v.prefix+full)
			if err == nil {
				err = fs.ErrNotExist
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return volume.FileInfo{}, err
			}
		case err == nil:
			return found.info, nil
		case !errors.Is(err, fs.ErrNotExist):
			return volume.FileInfo{}, err
		}
	}
	info, err := v.describeFolder(ctx, full)
	if errors.Is(err, fs.ErrNotExist) && full != "." {
		if parent := path.Dir(full); parent != "." {
			if _, file := v.tailOf(ctx, v.prefix+parent); file == nil {
				err = syscall.ENOTDIR
			}
		}
	}
	return info, err
}

// describeFolder tells about a folder.
func (v *Volume) describeFolder(ctx context.Context, full string) (volume.FileInfo, error) {
	info := volume.FileInfo{
		Identity: identityOf("folder " + full), Names: 1, Mode: fs.ModeDir | 0o755, UID: v.options.UID, GID: v.options.GID, Modified: time.Unix(0, 0),
	}
	key := v.markerKey(full)
	marker, err := v.get(ctx, key, objects.Read{Length: 1})
	switch {
	case err == nil && full != ".":
		a := parseAbout(key, marker, v.owner())
		info.Mode, info.UID, info.GID, info.Modified = fs.ModeDir|a.Mode, a.UID, a.GID, a.Modified
		if marker.Metadata[metaOf] != "" {
			info.Identity = identityOf(a.ID)
		} else {
			info.Mode = fs.ModeDir | 0o755
		}
	case full == "." && (err == nil || errors.Is(err, fs.ErrNotExist)):
		if err == nil && marker.Metadata[metaOf] != "" {
			a := parseAbout(key, marker, v.owner())
			info.Mode, info.UID, info.GID = fs.ModeDir|a.Mode, a.UID, a.GID
		}
	case errors.Is(err, fs.ErrNotExist):
		is, err := v.isFolder(ctx, v.prefix+full)
		if err == nil && !is {
			err = fs.ErrNotExist
		}
		if err != nil {
			return volume.FileInfo{}, err
		}
	default:
		return volume.FileInfo{}, err
	}
	return info, nil
}

// mayReach refuses a name to which a folder on the way does not let the caller.
func (f *folder) mayReach(ctx context.Context, full string) error {
	if f.caller.Trusted() {
		return nil
	}
	for at := path.Dir(full); ; at = path.Dir(at) {
		info, err := f.volume.glance(ctx, at, func(ctx context.Context) (volume.FileInfo, error) { return f.volume.describeFolder(ctx, at) })
		if err != nil {
			return err
		}
		if !f.caller.PermittedByMode(info, volume.Search) {
			return fs.ErrPermission
		}
		if at == "." {
			return nil
		}
	}
}

// mayChange refuses to change names in a folder in which the caller may not, or what is
// another's in a sticky one.
func (f *folder) mayChange(ctx context.Context, full string, what *volume.FileInfo) error {
	in, err := f.volume.describeFolder(ctx, path.Dir(full))
	if err != nil {
		return err
	}
	if f.caller.Trusted() {
		return nil
	}
	if err := f.mayReach(ctx, full); err != nil {
		return err
	}
	if !f.caller.PermittedByMode(in, volume.Write|volume.Search) {
		return fs.ErrPermission
	}
	if what != nil && in.Mode&os.ModeSticky != 0 && f.caller.UID != in.UID && f.caller.UID != what.UID {
		return syscall.EPERM
	}
	return nil
}

// born are the attributes of what the caller makes in a folder.
func (f *folder) born(ctx context.Context, full string, perm os.FileMode) (about, error) {
	in, err := f.volume.describeFolder(ctx, path.Dir(full))
	if err != nil {
		return about{}, err
	}
	now := f.volume.options.Now()
	a := about{ID: newID(), Born: now.UnixNano(), Mode: perm, UID: f.caller.UID, GID: f.caller.GID, Modified: now, Change: 1}
	if in.Mode&os.ModeSetgid != 0 {
		a.GID = in.GID
	}
	return a, nil
}

// Close implements volume.Folder.
func (f *folder) Close() error { return nil }

// As implements volume.Folder.
func (f *folder) As(caller volume.Caller) volume.Folder { return &folder{f.volume, f.name, caller} }

// Open implements volume.Folder.
func (f *folder) Open(ctx context.Context, name string) (volume.Folder, error) {
	info, err := f.glance(ctx, name)
	if err == nil && !info.Mode.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, failure("open folder", name, err)
	}
	return &folder{f.volume, path.Join(f.name, name), f.caller}, nil
}

// Shelf implements volume.Folder.
func (f *folder) Shelf() volume.Shelf {
	return &shelf{f.volume, func(context.Context) (*folder, func() error, error) { return f, func() error { return nil }, nil }}
}

// ShelfOf implements volume.Volume.
func (v *Volume) ShelfOf(holder volume.Holder) volume.Shelf {
	return &shelf{v, func(ctx context.Context) (*folder, func() error, error) {
		held, err := holder.Hold(ctx)
		if err != nil {
			return nil, nil, err
		}
		return folderOf(held), holder.Release, nil
	}}
}

// folderOf is the folder of a bucket that a folder is.
func folderOf(held volume.Folder) *folder {
	if v, topmost := held.(*Volume); topmost {
		return &v.folder
	}
	return held.(*folder)
}

// Describe implements volume.Folder.
func (f *folder) Describe(ctx context.Context, name string) (volume.FileInfo, error) {
	info, err := f.glance(ctx, name)
	return info, failure("describe", name, err)
}

// Allow implements volume.Folder.
func (f *folder) Allow(ctx context.Context, name string, want volume.Permission) (volume.FileInfo, error) {
	info, err := f.glance(ctx, name)
	if err == nil && !f.caller.Trusted() && !f.caller.PermittedByMode(info, want) {
		err = fs.ErrPermission
	}
	if err != nil {
		return volume.FileInfo{}, failure("allow", name, err)
	}
	return info, nil
}

// AccessList implements volume.Folder: a bucket has none.
func (f *folder) AccessList(ctx context.Context, name string, _ bool) (volume.AccessList, volume.FileInfo, error) {
	info, err := f.glance(ctx, name)
	return nil, info, failure("access list", name, err)
}

// MakeFolder implements volume.Folder.
func (f *folder) MakeFolder(ctx context.Context, name string, perm os.FileMode) error {
	full, err := f.full(name)
	if err == nil {
		err = f.mayChange(ctx, full, nil)
	}
	if err == nil {
		if _, taken := f.describe(ctx, name); taken == nil {
			err = fs.ErrExist
		} else if !errors.Is(taken, fs.ErrNotExist) {
			err = taken
		}
	}
	if err != nil {
		return failure("make folder", name, err)
	}
	a, err := f.born(ctx, full, perm)
	if err == nil {
		if in, _ := f.volume.describeFolder(ctx, path.Dir(full)); in.Mode&os.ModeSetgid != 0 {
			a.Mode |= os.ModeSetgid
		}
		_, err = f.volume.create(ctx, &stored{key: f.volume.folderKey(full), about: a})
	}
	if errors.Is(err, volume.ErrExists) {
		err = fs.ErrExist
	}
	return failure("make folder", name, err)
}

// RemoveFolder implements volume.Folder.
func (f *folder) RemoveFolder(ctx context.Context, name string) error {
	full, err := f.full(name)
	var info volume.FileInfo
	if err == nil {
		info, err = f.describe(ctx, name)
	}
	if err == nil && !info.Mode.IsDir() {
		err = syscall.ENOTDIR
	}
	if err == nil {
		err = f.mayChange(ctx, full, &info)
	}
	if err != nil {
		return failure("remove folder", name, err)
	}
	key := f.volume.folderKey(full)
	var tombstones []objects.Entry
	empty := true
	err = f.volume.walk(ctx, objects.List{Prefix: key}, func(entry objects.Entry) bool {
		if entry.Key != key {
			tombstones, empty = append(tombstones, entry), f.volume.isTombstone(ctx, entry)
		}
		return empty
	})
	if err == nil && !empty {
		err = syscall.ENOTEMPTY
	}
	if err != nil {
		return failure("remove folder", name, err)
	}
	if f.volume.options.KeepTombstones {
		tombstones = nil // a folder in which there is nothing else is none
	}
	for _, t := range tombstones {
		err := f.volume.ask(ctx, func(ctx context.Context) error {
			return f.volume.objects.Delete(ctx, t.Key, objects.Condition{Match: t.Tag})
		})
		if err != nil {
			return failure("remove folder", name, err)
		}
	}
	if err := f.volume.keepFolder(ctx, path.Dir(full)); err != nil {
		return failure("remove folder", name, err)
	}
	return failure("remove folder", name, f.volume.ask(ctx, func(ctx context.Context) error {
		return f.volume.objects.Delete(ctx, key, objects.Condition{})
	}))
}

// keepFolder sees to it that a folder is there also when it holds nothing any more.
func (v *Volume) keepFolder(ctx context.Context, full string) error {
	if full == "." {
		return nil
	}
	key := v.folderKey(full)
	if _, err := v.get(ctx, key, objects.Read{Length: 1}); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	a := about{ID: newID(), Mode: 0o755, UID: v.options.UID, GID: v.options.GID, Modified: v.options.Now(), Change: 1}
	if _, err := v.create(ctx, &stored{key: key, about: a}); err != nil && !errors.Is(err, volume.ErrExists) {
		return err
	}
	return nil
}

// Settle implements volume.Folder: what was answered lasts.
func (f *folder) Settle(ctx context.Context, _ string) error { return ctx.Err() }

// litterAge is how long what has a temporary name is left alone.
const litterAge = time.Hour

// Sweep implements volume.Folder.
func (f *folder) Sweep(ctx context.Context, name string) bool {
	full, err := f.full(name)
	if err != nil || !volume.IsTemporary(path.Base(full)) {
		return false
	}
	found, err := f.volume.tailOf(ctx, f.volume.prefix+full)
	if err != nil || f.volume.options.Now().Sub(found.info.Modified) < litterAge {
		return false
	}
	return f.volume.once(ctx, func(ctx context.Context) error {
		return f.volume.objects.Delete(ctx, f.volume.prefix+full, objects.Condition{Match: found.tag})
	}) == nil
}

// listing is a folder that is being read.
type listing struct {
	ctx context.Context
	*folder
	info  volume.FileInfo
	marks map[string]mark  // as they were listed last
	seen  map[string]*tail // what was read for a description, for who looks into it next
	// whole are objects that changed between two reads: they are read at once the next time.
	whole map[string]bool
}

// List implements volume.Folder.
func (f *folder) List(ctx context.Context, name string) (volume.Listing, error) {
	info, err := f.describe(ctx, name)
	if err == nil && !info.Mode.IsDir() {
		err = syscall.ENOTDIR
	}
	if err == nil && !f.caller.Trusted() && !f.caller.PermittedByMode(info, volume.Read) {
		err = fs.ErrPermission
	}
	if err != nil {
		return nil, failure("open folder", name, err)
	}
	info.Modified = f.volume.options.Now() // nobody can tell whether it is as it was
	full := path.Join(f.name, name)
	return &listing{ctx, &folder{f.volume, full, f.caller}, info, f.volume.listed.marks(full, f.volume.options.Freshness), map[string]*tail{}, map[string]bool{}}, nil
}

// Folder implements volume.Listing.
func (l *listing) Folder() (volume.FileInfo, error) { return l.info, nil }

// Entries implements volume.Listing.
func (l *listing) Entries() (entries []volume.FolderEntry, err error) {
	v := l.volume
	prefix := v.folderKey(l.name)
	pages := newPages()
	for after := ""; ; {
		pages.begin()
		page, err := v.list(l.ctx, objects.List{Prefix: prefix, Delimiter: "/", After: after})
		if err != nil {
			return nil, failure("list", l.name, err)
		}
		for _, below := range page.Prefixes {
			name := strings.TrimSuffix(below[len(prefix):], "/")
			is := name != "" && (l.name != "." || name != hidden)
			if is && v.options.KeepTombstones {
				if is, err = v.isFolder(l.ctx, prefix+name); err != nil {
					return nil, failure("list", l.name, err)
				}
			}
			if is {
				entries = append(entries, volume.FolderEntry{Name: name, Type: fs.ModeDir})
			}
		}
		for _, entry := range page.Entries {
			name := entry.Key[len(prefix):]
			if name == "" || v.isTombstone(l.ctx, entry) {
				continue
			}
			pages.add(name, markOf(entry.Tag, entry.Modified))
			entries = append(entries, volume.FolderEntry{Name: name})
		}
		if after = page.Next; after == "" {
			break
		}
	}
	v.remember(l.ctx, l.name, pages)
	l.marks = pages.marks
	// A name that is a folder's and an object's is the object's.
	slices.SortStableFunc(entries, func(a, b volume.FolderEntry) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return int(a.Type>>16) - int(b.Type>>16)
	})
	return slices.CompactFunc(entries, func(a, b volume.FolderEntry) bool { return a.Name == b.Name }), nil
}

// isTombstone reports whether an object is one that is spent, and removes it when its time is
// over.
func (v *Volume) isTombstone(ctx context.Context, entry objects.Entry) bool {
	if entry.Size != spentSize {
		return false
	}
	found, known := v.heads.find(entry.Key, markOf(entry.Tag, entry.Modified))
	if !known {
		tail, err := v.tailOf(ctx, entry.Key)
		if err != nil {
			return errors.Is(err, fs.ErrNotExist)
		}
		found = tail.head
	}
	if found.moved {
		v.clear(ctx, found, entry.Key)
	}
	return found.moved
}

// Describe implements volume.Listing.
func (l *listing) Describe(name string) (volume.FileInfo, error) {
	state, listed := l.marks[name]
	if !listed {
		return l.folder.Describe(l.ctx, name)
	}
	if known, some := l.volume.heads.find(l.volume.folderKey(l.name)+name, state); some && !known.moved {
		return known.info, nil
	}
	found, err := l.tail(name)
	if err != nil {
		return volume.FileInfo{}, failure("describe", name, err)
	}
	return found.info, nil
}

// tail reads the end of a file.
func (l *listing) tail(name string) (*tail, error) {
	key, err := l.key(name)
	if err != nil {
		return nil, err
	}
	asked := time.Now()
	found, err := l.volume.tailOf(l.ctx, key)
	if err == nil && !found.moved {
		l.volume.glances.answer(path.Join(l.name, name), glanced{info: found.info, asked: asked, since: asked})
	}
	if err == nil && found.moved {
		err = errors.Join(l.volume.finishAt(l.ctx, key), fs.ErrNotExist)
	}
	if err == nil {
		l.seen[name] = found
	}
	return found, err
}

// Recall implements volume.Notes.
func (l *listing) Recall(name string) (note volume.Note, info volume.FileInfo, known bool) {
	state, listed := l.marks[name]
	if !listed {
		return note, info, false
	}
	found, known := l.volume.heads.find(l.volume.folderKey(l.name)+name, state)
	if !known || found.moved || found.note == nil || !l.caller.Trusted() && !l.caller.PermittedByMode(found.info, volume.Read) {
		return note, info, false
	}
	return volume.Note{Born: found.about.Born, Found: found.note}, found.info, true
}

// Note implements volume.Notes.
func (l *listing) Note(name string, note volume.Note) {
	if state, listed := l.marks[name]; listed && l.volume.heads.remark(l.volume.folderKey(l.name)+name, state, note.Found) {
		l.volume.hints.noted(l.volume)
	}
}

// Target implements volume.Listing: there are no links.
func (l *listing) Target(name string) (string, error) {
	return "", failure("read link", name, syscall.EINVAL)
}

// Peek implements volume.Listing.
func (l *listing) Peek(name string) (volume.Peeked, volume.FileInfo, error) {
	found := l.seen[name]
	delete(l.seen, name)
	if found == nil {
		var err error
		if found, err = l.tail(name); err != nil {
			if key, bad := l.key(name); bad == nil && errors.Is(err, fs.ErrNotExist) {
				if is, unknown := l.volume.isFolder(l.ctx, key); is {
					err = volume.ErrNotRegular
				} else if unknown != nil {
					err = unknown
				}
			}
			return nil, volume.FileInfo{}, failure("look at", name, err)
		}
	}
	if !l.caller.Trusted() && !l.caller.PermittedByMode(found.info, volume.Read) {
		return nil, volume.FileInfo{}, failure("look at", name, fs.ErrPermission)
	}
	key, err := l.key(name)
	file := &peeked{ctx: l.ctx, volume: l.volume, key: key, tail: found, changed: func() { l.whole[name] = true }}
	if err == nil && l.whole[name] {
		err = file.read()
	}
	return file, file.tail.info, failure("look at", name, err)
}

// peeked is the end of a file, and the rest when somebody needs it.
type peeked struct {
	ctx    context.Context
	volume *Volume
	key    string
	tail   *tail
	whole  io.ReaderAt
	// changed is told that the object is another one than that of the end.
	changed func()
}

// read reads the object anew, with all that stands in it.
func (p *peeked) read() error {
	found, err := p.volume.read(p.ctx, p.key, "")
	if err == nil && found.moved != nil {
		err = errNoObject
	}
	if err == nil {
		p.tail = &tail{head: headOf(mark{tag: found.tag}, found.about)}
		p.whole = &reader{p.volume, p.volume.layoutOf(found)}
	}
	return err
}

// Close implements volume.Peeked.
func (p *peeked) Close() error { return nil }

// Born implements volume.Peeked.
func (p *peeked) Born() int64 { return p.tail.about.Born }

// ReadAt implements volume.Peeked.
func (p *peeked) ReadAt(b []byte, offset int64) (int, error) {
	size := p.tail.info.Size
	from := size - int64(len(p.tail.content))
	if offset >= from && from >= 0 && p.whole == nil && !strings.HasPrefix(string(p.tail.content[:min(len(p.tail.content), len(extentsMark))]), extentsMark) {
		n := copy(b, p.tail.content[min(offset-from, int64(len(p.tail.content))):])
		if n < len(b) {
			return n, io.EOF
		}
		return n, nil
	}
	if p.whole == nil {
		found, err := p.volume.read(p.ctx, p.key, "")
		if err != nil {
			return 0, err
		}
		if found.tag != p.tail.tag {
			p.changed()
			return 0, fmt.Errorf("%w: it has changed meanwhile", volume.ErrStale)
		}
		p.whole = &reader{p.volume, p.volume.layoutOf(found)}
	}
	return p.whole.ReadAt(b, offset)
}

// held is a file or folder whose attributes are to change.
type held struct {
	*folder
	name string
	info volume.FileInfo
}

// Hold implements volume.Folder.
func (f *folder) Hold(ctx context.Context, name string) (volume.Held, error) {
	info, err := f.describe(ctx, name)
	if err != nil {
		return nil, failure("hold", name, err)
	}
	return &held{f, name, info}, nil
}

// Info implements volume.Held.
func (h *held) Info() volume.FileInfo { return h.info }

// Change implements volume.Held, with the rules of POSIX in short: only the trusted give
// things away, and only the owner says who may do what.
func (h *held) Change(ctx context.Context, change volume.AttributeChange) error {
	full, err := h.full(h.name)
	if err != nil {
		return failure("change", h.name, err)
	}
	key := h.volume.prefix + full
	if h.info.Mode.IsDir() {
		key = h.volume.markerKey(full)
		if full != "." {
			err = h.volume.keepFolder(ctx, full)
		} else if _, lacks := h.volume.get(ctx, key, objects.Read{Length: 1}); errors.Is(lacks, fs.ErrNotExist) {
			_, err = h.volume.create(ctx, &stored{key: key, about: about{ID: newID(), Mode: 0o755, UID: h.volume.options.UID, GID: h.volume.options.GID, Modified: h.volume.options.Now(), Change: 1}})
		}
	}
	var found *stored
	if err == nil {
		found, err = h.volume.read(ctx, key, "")
	}
	if err == nil && found.moved == nil && !h.info.Mode.IsDir() && !found.info(0).Is(h.info) {
		err = errOther
	}
	if err != nil {
		return failure("change", h.name, err)
	}
	swap := swapping{volume: h.volume, writer: newWriter(), build: func(ctx context.Context, newest *stored) (*stored, error) {
		if err := h.allowed(newest.info(newest.Size), change); err != nil {
			return nil, err
		}
		next := newest.next(newest.Modified)
		if err := h.volume.mark(ctx, next, newest); err != nil {
			return nil, err
		}
		if change.UID >= 0 {
			next.UID = uint32(change.UID)
		}
		if change.GID >= 0 {
			next.GID = uint32(change.GID)
		}
		if change.Mode != nil {
			next.Mode = *change.Mode &^ fs.ModeDir
		}
		switch {
		case change.Modified.Equal(volume.Now):
			next.Modified = h.volume.options.Now()
		case !change.Modified.IsZero():
			next.Modified = change.Modified
		}
		return next, nil
	}, blind: h.info.Mode.IsDir()}
	_, _, err = swap.run(ctx, found)
	return failure("change", h.name, err)
}

// mark has an object of a store differ from the one before, which it is to replace, although
// no byte of the store does: else who commits at the same time would not see the change, and
// undo it. The next commit makes it plain again.
func (v *Volume) mark(ctx context.Context, next, newest *stored) error {
	if strings.HasSuffix(newest.key, "/") {
		return nil
	}
	err := v.endsWithState(ctx, newest)
	if err == nil {
		err = v.settleIn(ctx, next, newest)
	}
	if errors.Is(err, volume.ErrNotStore) && !newest.large {
		return nil // nobody commits to it
	}
	if err == nil {
		next.lined(newest.state)
	}
	return err
}

// allowed refuses a change that the caller may not make.
func (h *held) allowed(info volume.FileInfo, change volume.AttributeChange) error {
	ofOwner := func(t time.Time) bool { return !t.IsZero() && !t.Equal(volume.Now) }
	owns := h.caller.Trusted() || h.caller.UID == info.UID
	gives := change.UID >= 0 && uint32(change.UID) != info.UID || change.GID >= 0 && !h.caller.Member(uint32(change.GID))
	sets := change.Mode != nil || change.UID >= 0 || change.GID >= 0 || ofOwner(change.Accessed) || ofOwner(change.Modified)
	switch {
	case gives && !h.caller.Trusted(), sets && !owns:
		return syscall.EPERM
	case !sets && !owns && !h.caller.PermittedByMode(info, volume.Write):
		return fs.ErrPermission
	}
	return nil
}
