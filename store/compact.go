package store

import (
	"context"
	"errors"
	"fmt"

	"rvffs/store/idset"
	"rvffs/store/throttle"
	"rvffs/store/volume/filelog"
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
	session, err := s.log.Begin(ctx)
	if err != nil {
		return CompactResult{}, err
	}
	release := s.log.HoldMerges()
	if also == nil {
		also = idset.New()
	}
	r := newRewrite(ctx, s, session, also, share)
	result, err = r.run(ctx)
	release()
	return result, errors.Join(err, session.End())
}

// compactWithout is Compact that leaves vectors out as if they had been deleted before.
func (s *Store) compactWithout(ctx context.Context, also *idset.Set) (CompactResult, error) {
	return s.compact(ctx, also, throttle.FullSpeed)
}

// usualFollow is how a compaction runs after its writers.
var usualFollow = filelog.FollowLimits{Little: 4 << 20, Frozen: 64 << 20}
