package ingest

import (
	"context"
	"errors"

	"rvffs/store/rows"
)

// settled is a commit that was made while its stream went on.
type settled struct {
	epoch    uint32
	count    uint64 // vectors
	received int64  // bytes that the stream had brought when it was asked for
}

// commitSoFar commits what has been handed on so far while the stream goes on, and
// reports whether it could: as long as little has come, Commit is as good. An error
// comes with the next call, also when ctx ends before anything is written. What has come is
// so many bytes of the stream.
func (a *Appender) commitSoFar(ctx context.Context, received int64) bool {
	if a.work == nil {
		return false
	}
	a.work <- &block{marker: ctx, received: received}
	return true
}

// commitBehind belongs to the goroutine that writes.
func (a *Appender) commitBehind(ctx context.Context, received int64) {
	b := &brought{vectors: a.vectors, session: a.session, extents: a.extents, ids: a.ids}
	a.extents, a.current, a.ids = nil, nil, rows.GrowingSets{}
	if len(b.extents) == 0 {
		return
	}
	for _, e := range b.extents {
		b.rows += uint64(e.rows)
	}
	a.behind.Wait()
	b.session.Join()
	a.behind.Go(func() {
		defer func() { b.ids.Free() }()
		epoch, err := b.vectors.Commit(ctx, b.session, b.change())
		if err != nil {
			b.session.Drop(extentsOf(b.extents)...)
		}
		if err = errors.Join(err, b.session.End()); err != nil {
			a.fail(err)
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.settled = append(a.settled, settled{epoch, b.rows, received})
	})
}

// takeSettled gives the commits behind that are over since it was last asked.
func (a *Appender) takeSettled() []settled {
	a.mu.Lock()
	defer a.mu.Unlock()
	over := a.settled
	a.settled = nil
	for _, s := range over {
		a.rows -= s.count
	}
	return over
}

// settleAgain takes back what takeSettled gave.
func (a *Appender) settleAgain(over []settled) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range over {
		a.rows += s.count
	}
	a.settled = append(over, a.settled...)
}
