package state

import (
	"context"
	"sync/atomic"

	"rvffs/segments"
)

// The entries of the audit chain that no manifest names any more belong to what the
// whole file shows, and to nothing else: who reads raw has them checked, too.

// touchWhole is Touch for bytes of the whole file.
func (s *Snapshot) touchWhole(ctx context.Context, offset, length int64) error {
	c := s.source.checker
	if c == nil {
		return nil
	}
	if err := s.Touch(ctx, offset, length); err != nil {
		return err
	}
	if c.mode == VerifyFirst {
		return s.settleAudit(ctx, c.urgent())
	}
	if table := s.checks().table; s.source.mayCheck() && table.queueAudit(s.Size()) {
		if !c.enqueue(s.source, checkJob{snapshot: s}) {
			table.leaveAudit()
		}
	}
	return nil
}

// refuseWhole is refuse for bytes of the whole file.
func (s *Snapshot) refuseWhole(offset, length int64) error {
	if s.source.checker == nil {
		return nil
	}
	if err := s.refuse(offset, length); err != nil {
		return err
	}
	_, wrong := s.checks().table.auditOf()
	return s.refuseIn(wrong.within(offset, length))
}

// settleAudit checks the entries of the audit chain that were not checked before.
func (s *Snapshot) settleAudit(ctx context.Context, pace checkPace) error {
	table := s.checks().table
	for {
		if audited, _ := table.auditOf(); audited >= s.Size() {
			return nil
		}
		if under := table.claim(table); under != nil {
			select {
			case <-under:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err := s.compareAudit(ctx, pace)
		table.leave(table)
		if err != nil {
			return err
		}
	}
}

func (s *Snapshot) compareAudit(ctx context.Context, pace checkPace) error {
	checks := s.checks()
	from, _ := checks.table.auditOf()
	var wrong checkIndex
	err := s.With(ctx, Judging, func(reading *Reading) error {
		return reading.WalkFrom(from, func(segment segments.Segment) error {
			pace.step()
			if segment.Type != segments.TypeWitness {
				return nil
			}
			one := checkedSegment{segments.DirectoryEntry{
				SegmentID: segment.ID, Offset: segment.Offset, PayloadLength: segment.PayloadLength, Type: segment.Type,
			}, new(atomic.Uint32)}
			if named := checks.index.within(segment.Offset, 1); len(named) > 0 {
				one = named[0]
			}
			err := s.settle(ctx, &one, pace)
			if one.load() == damaged {
				wrong = append(wrong, one)
			}
			return err
		})
	})
	if len(wrong) > 0 || err == nil {
		end := s.Size()
		if err != nil {
			end = wrong[len(wrong)-1].end() // so that nothing is found twice
		}
		checks.table.auditedTo(end, wrong)
	}
	return err
}
