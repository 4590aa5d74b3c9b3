package store

import (
	"context"
	"errors"
	"fmt"

	"rvffs/store/idset"
	"rvffs/store/throttle"
)

// CompactResult tells what a compaction did.
type CompactResult struct {
	SegmentsCompacted int   // vector segments that were rewritten
	BytesReclaimed    int64 // by which the file became shorter
	Epoch             uint32
}

// Compact rewrites the store without dead bytes: live vectors, the audit chain,
// named compute segments, and every segment of a type that the engine does not
// understand, byte for byte. It goes at full speed. Streams and readers go on
// meanwhile; what they commit is taken in, and then the new file takes the old
// one's place in one step. Snapshots of the old one stay readable while they are
// held open.
func (s *Store) Compact(ctx context.Context) (CompactResult, error) {
	result, err := s.compact(ctx, nil, throttle.FullSpeed)
	if err != nil {
		return CompactResult{}, fmt.Errorf("compact store %q: %w", s.Path(), err)
	}
	return result, nil
}

// compact leaves out the vectors in also, as if they had been deleted before, and
// keeps to a share of the disk's time.
func (s *Store) compact(ctx context.Context, also *idset.Set, share throttle.Share) (result CompactResult, err error) {
	if err := s.compacting.Take(ctx); err != nil {
		return CompactResult{}, err
	}
	s.progress.begin(share)
	defer func() {
		s.progress.end()
		s.compacting.Give()
	}()
	session, err := s.writer.begin(ctx)
	if err != nil {
		return CompactResult{}, err
	}
	s.writer.setMerges(-1)
	if also == nil {
		also = idset.New()
	}
	r := newRewrite(ctx, s, session, also, share)
	result, err = r.run(ctx)
	s.writer.setMerges(1)
	return result, errors.Join(err, s.writer.end(session))
}

// setMerges switches merges off (-1) and on again (1). A rewrite that has copied
// segments one by one could not take in a segment made of some of them. The base
// that the rewrite starts from is read after this returns, and no commit that may
// still merge is then under way.
func (w *writer) setMerges(step int) {
	w.lead.Wait()
	defer w.lead.Give()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.merging -= step
}
