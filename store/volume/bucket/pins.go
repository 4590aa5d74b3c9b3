package bucket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"rvffs/store/volume/bucket/objects"
)

// pins are the readers of a generation, and what others are told of them.
type pins struct {
	users atomic.Int64
	mu    sync.Mutex // guards what follows
	until time.Time  // the others know of it until then
}

// pin is what a machine still reads of an older generation, and until when.
type pin struct {
	Generation uint64 `json:"generation"`
	Until      int64  `json:"until"` // seconds since 1970
}

// renew tells the others that the generation is read, when they do not know it long enough.
func (p *pins) renew(g *Generation) {
	v := g.volume
	now := v.options.Now()
	p.mu.Lock()
	due := p.until.Sub(now) < v.options.Retain/2
	if due {
		p.until = now.Add(v.options.Retain)
	}
	until := p.until
	p.mu.Unlock()
	if !due {
		return
	}
	content, err := json.Marshal(pin{g.number, until.Unix()})
	if err == nil {
		err = v.putExtent(v.ctx, v.pinKey(g.now.Load().log(), v.machine, g.number), content)
	}
	if err != nil { // the next read tries it again
		p.mu.Lock()
		p.until = time.Time{}
		p.mu.Unlock()
	}
}

// pinKey is where a machine says what it reads of a log.
func (v *Volume) pinKey(log, machine string, generation uint64) string {
	return v.logKey(log) + pinPrefix + fmt.Sprintf("%s-%d", machine, generation)
}

// pinned are the generations of a log that somebody reads.
func (v *Volume) pinned(ctx context.Context, log string, names []string) (map[uint64]bool, error) {
	read := map[uint64]bool{}
	for _, name := range names {
		found, err := v.get(ctx, v.logKey(log)+name, objects.Read{})
		if err != nil {
			return nil, err
		}
		var p pin
		if err := json.Unmarshal(found.Content, &p); err != nil || p.Until >= v.options.Now().Unix() {
			read[p.Generation] = true
		}
	}
	return read, nil
}

// deletePin removes a pin whose time is over.
func (v *Volume) deletePin(ctx context.Context, log, name string) error {
	found, err := v.get(ctx, v.logKey(log)+name, objects.Read{})
	if errors.Is(err, objects.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var p pin
	if json.Unmarshal(found.Content, &p) != nil || p.Until >= v.options.Now().Unix() {
		return nil
	}
	return v.deleteExtent(ctx, log, name)
}
