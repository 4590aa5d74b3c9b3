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
	extents, ids := a.extents, a.ids
	a.extents, a.current, a.ids = nil, nil, rows.GrowingSets{}
	if len(extents) == 0 {
		return
	}
	var count uint64
	for _, e := range extents {
		count += uint64(e.rows)
	}
	a.behind.Wait()
	session := a.session
	session.Join()
	a.behind.Go(func() {
		defer ids.Free()
		epoch, err := a.vectors.Commit(ctx, session, ingestion(extents, count))
		if err != nil {
			session.Drop(extentsOf(extents)...)
		}
		if err = errors.Join(err, session.End()); err != nil {
			a.fail(err)
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.settled = append(a.settled, settled{epoch, count, received})
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
