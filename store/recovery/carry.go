package recovery

import (
	"context"
	"errors"

	"rvffs/store/compute"
	"rvffs/store/ingest"
	"rvffs/store/log"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// carryOut commits what the plan comes to.
func (p *recoveryPlan) carryOut(ctx context.Context, session *log.Session) error {
	err := p.carryBack(ctx, session)
	if err == nil && len(p.branches) > 0 {
		if err = p.tails.env.List(ctx, p.branches); err == nil {
			p.RecoveredAt = session.Base().Epoch()
		}
	}
	return err
}

// carryBack commits what comes back of the segments.
func (p *recoveryPlan) carryBack(ctx context.Context, session *log.Session) (err error) {
	if p.Recovered == 0 && p.Deleted == 0 && len(p.others) == 0 {
		return nil
	}
	appender := p.tails.env.Appender()
	var others []volume.Extent
	defer func() {
		if err != nil {
			session.Drop(others...)
		}
		err = errors.Join(err, appender.Rollback())
	}()
	if p.Recovered > 0 {
		if err := appender.SetDimension(ctx, p.dimension); err != nil {
			return err
		}
		if err := p.append(ctx, appender); err != nil {
			return err
		}
	}
	if err := appender.Flush(); err != nil {
		return err
	}
	replaced := map[int64]bool{}
	for _, part := range p.others {
		e, err := p.copySegment(ctx, session, part)
		if e != nil {
			others = append(others, e)
		}
		if err != nil {
			return err
		}
		if compute.KindOf(part.Type) == nil {
			continue
		}
		mates, err := p.mates(ctx, part)
		if err != nil {
			return err
		}
		for _, mate := range mates {
			replaced[mate.Offset] = true
		}
	}
	epoch, err := appender.CommitWith(ctx, session, log.Change{
		Added: others,
		Removes: func(_ context.Context, base *state.Snapshot) (map[int64]bool, error) {
			if base != p.base {
				return nil, log.Clash(state.ErrSuperseded) // what was judged may be wrong by now
			}
			return replaced, nil
		},
		Actions: []log.Action{log.Recover("vectors", p.Recovered, p.Deleted, p.Others)},
	}, p.delete.Ascending(), p.hide.Ascending())
	if err != nil {
		return err
	}
	others = nil
	p.RecoveredAt = epoch
	return nil
}

// append writes the vectors that are to be brought back, in order.
func (p *recoveryPlan) append(ctx context.Context, appender *ingest.Appender) error {
	return p.eachVector(ctx, p.options.Cut, func(_ bool, ids []uint64, rows []byte) error {
		width := len(rows) / len(ids)
		kept := 0
		for i, id := range ids {
			if p.skip.Contains(id) {
				continue
			}
			ids[kept] = id
			copy(rows[kept*width:(kept+1)*width], rows[i*width:])
			kept++
		}
		if kept == 0 {
			return nil
		}
		return appender.Append(ctx, ids[:kept], rows[:kept*width])
	})
}

// copiedPiece is how many bytes of a segment are read and written at a time.
const copiedPiece = 1 << 20

// copySegment writes a segment of another type, payload and flags as they are.
func (p *recoveryPlan) copySegment(ctx context.Context, session *log.Session, part tailPart) (volume.Extent, error) {
	e := session.Extent(volume.ExtentSpec{Type: part.Type, Flags: part.Flags, Length: int64(part.PayloadLength)})
	buffer := make([]byte, min(part.PayloadLength, copiedPiece))
	for at := int64(0); at < int64(part.PayloadLength); {
		if err := ctx.Err(); err != nil {
			return e, err
		}
		some := buffer[:min(int64(part.PayloadLength)-at, int64(len(buffer)))]
		err := volume.ReadFull(p.walk.file, some, part.PayloadOffset()+at)
		if err == nil {
			err = e.Write(context.WithoutCancel(ctx), some)
		}
		if err != nil {
			return e, session.Fail(err)
		}
		at += int64(len(some))
	}
	e.Complete()
	return e, nil
}
