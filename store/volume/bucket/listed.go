package bucket

import (
	"context"
	"path"
	"sync"
	"time"

	"rvffs/store/shared"
	"rvffs/store/volume"
	"rvffs/store/volume/bucket/objects"
)

// A listing tells of a thousand objects in one request whether they are as they were, so who looks at many names of
// a folder, as ls -l does, is told of those that are as they were by a listing, and not one by one.

// listed keeps the states of what is in the folders that were listed last.
type listed struct {
	mu      sync.Mutex // guards what follows
	folders map[string]pages
	crowds  map[string]*crowd
}

// pages are the objects of a folder as a listing told of them. They do not change.
type pages struct {
	marks map[string]mark
	asked map[string]int // which page a name was in
	times []time.Time    // when each was asked for
	over  time.Time      // when the last one had come
}

func newPages() *pages { return &pages{marks: map[string]mark{}, asked: map[string]int{}} }

// begin is told before a page is asked for.
func (p *pages) begin() { p.times = append(p.times, time.Now()) }

func (p *pages) add(name string, state mark) {
	p.marks[name], p.asked[name] = state, len(p.times)-1
}

// crowd counts those who look at names of a folder, one soon behind the other.
type crowd struct {
	last  time.Time
	count int
	page  shared.Work[struct{}] // that is being listed for them
}

const (
	// crowdSize is how many look at names of a folder, no more than crowdSpan apart, until a page
	// is listed for them.
	crowdSize = 8
	crowdSpan = time.Second
	// foldersListed bounds how many folders are remembered.
	foldersListed = 64
)

func newListed() *listed { return &listed{folders: map[string]pages{}, crowds: map[string]*crowd{}} }

// marks are those of a folder that was listed just now: who begins to look into it then need not list
// it once more.
func (l *listed) marks(folder string, justNow time.Duration) map[string]mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	if found := l.folders[folder]; time.Since(found.over) < justNow {
		return found.marks
	}
	return nil
}

// keep remembers a folder.
func (l *listed) keep(folder string, p *pages) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.folders) >= foldersListed {
		clear(l.folders)
	}
	l.folders[folder] = *p
}

// join counts one more who looks at a name of a folder, and gives the crowd if it is one.
func (l *listed) join(folder string) *crowd {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.crowds[folder]
	if c == nil {
		if len(l.crowds) >= foldersListed {
			clear(l.crowds)
		}
		c = &crowd{}
		l.crowds[folder] = c
	}
	now := time.Now()
	if now.Sub(c.last) > crowdSpan {
		c.count = 0
	}
	c.last = now
	if c.count++; c.count <= crowdSize {
		return nil
	}
	return c
}

// remember takes note of a folder that was listed: of what its objects were known to be before.
func (v *Volume) remember(ctx context.Context, folder string, p *pages) {
	v.recallHints(ctx, folder, p)
	p.over = time.Now()
	v.listed.keep(folder, p)
	key := v.folderKey(folder)
	for name, state := range p.marks {
		v.confirm(key, folder, name, state, p.times[p.asked[name]])
	}
}

// confirm takes note that an object was still in a state when it was asked for.
func (v *Volume) confirm(prefix, folder, name string, state mark, asked time.Time) {
	if found, known := v.heads.find(prefix+name, state); known && !found.moved {
		v.glances.answer(path.Join(folder, name), glanced{info: found.info, asked: asked, since: asked})
	}
}

// amongOthers tells what stands at a name by a page of its folder's listing, where many look at
// names there and it has not changed.
func (v *Volume) amongOthers(ctx context.Context, full string) (info volume.FileInfo, known bool) {
	folder, name := path.Split(full)
	folder = path.Clean(folder)
	if full == "." || v.options.Freshness <= 0 {
		return info, false
	}
	if _, some := v.heads.findAny(v.prefix + full); !some {
		return info, false
	}
	c := v.listed.join(folder)
	if c == nil {
		return info, false
	}
	asked := time.Now()
	_, err := c.page.Do(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, v.listFrom(ctx, folder, name) })
	if err != nil {
		return info, false
	}
	found := v.glances.find(full)
	return found.info, found.err == nil && !found.asked.Before(asked)
}

// listFrom lists a page of a folder, from a name on.
func (v *Volume) listFrom(ctx context.Context, folder, name string) error {
	prefix := v.folderKey(folder)
	asked := time.Now()
	page, err := v.list(ctx, objects.List{Prefix: prefix, Delimiter: "/", From: prefix + name[:len(name)-1]})
	if err != nil {
		return err
	}
	for _, entry := range page.Entries {
		v.confirm(prefix, folder, entry.Key[len(prefix):], markOf(entry.Tag, entry.Modified), asked)
	}
	return nil
}
