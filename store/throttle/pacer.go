package throttle

import (
	"context"
	"sync"
	"time"

	"rvffs/store/shared"
	"rvffs/store/volume"
)

// Share is the part of the time, in per cent, that a compaction may use the disk.
type Share int

// The shares of the published policy.
const (
	Background Share = 30
	Emergency  Share = 60
	FullSpeed  Share = 100
)

// Pause is how long the share asks to wait after work took so long.
func (share Share) Pause(work time.Duration) time.Duration {
	if share >= FullSpeed {
		return 0
	}
	return work * time.Duration(FullSpeed-share) / time.Duration(share)
}

// Pacer keeps what reads and writes paced files to a share of the disk's time.
type Pacer struct {
	ctx     context.Context
	pausing shared.Turn // held during a pause, in which nobody works

	mu    sync.Mutex
	share Share
	owed  time.Duration // of pauses
}

// Hurry ends all pauses.
func (p *Pacer) Hurry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.share, p.owed = FullSpeed, 0
}

func NewPacer(ctx context.Context, share Share) *Pacer {
	return &Pacer{ctx: ctx, share: share, pausing: shared.NewTurn()}
}

// WorthPause is the pause below which none is made.
const WorthPause = 5 * time.Millisecond

// Bytes are bytes whose reads pause as the share asks, and end with the context.
func (p *Pacer) Bytes(bytes volume.Bytes) volume.Bytes { return pacedBytes{bytes, p} }

type pacedBytes struct {
	volume.Bytes
	pacer *Pacer
}

func (b pacedBytes) ReadAt(p []byte, offset int64) (n int, err error) {
	if ended := b.pacer.Pace(func() { n, err = b.Bytes.ReadAt(p, offset) }); ended != nil {
		return 0, ended
	}
	return n, err
}

// Scratch is Bytes for what is written, too.
func (p *Pacer) Scratch(scratch volume.Scratch) volume.Scratch { return pacedScratch{scratch, p} }

type pacedScratch struct {
	volume.Scratch
	pacer *Pacer
}

func (s pacedScratch) ReadAt(p []byte, offset int64) (n int, err error) {
	if ended := s.pacer.Pace(func() { n, err = s.Scratch.ReadAt(p, offset) }); ended != nil {
		return 0, ended
	}
	return n, err
}

func (s pacedScratch) WriteAt(p []byte, offset int64) (n int, err error) {
	if ended := s.pacer.Pace(func() { n, err = s.Scratch.WriteAt(p, offset) }); ended != nil {
		return 0, ended
	}
	return n, err
}

// Pace does work, unless a pause is on, and pauses as long as that asks for. It
// fails once the context has ended.
func (p *Pacer) Pace(work func()) error {
	if err := p.wait(0); err != nil {
		return err
	}
	began := time.Now()
	work()
	p.mu.Lock()
	p.owed += p.share.Pause(time.Since(began))
	pause := p.owed
	if pause < WorthPause {
		pause = 0
	}
	p.owed -= pause
	p.mu.Unlock()
	if pause == 0 {
		return nil
	}
	return p.wait(pause)
}

// wait waits for the end of a pause that is on, and then pauses itself.
func (p *Pacer) wait(pause time.Duration) error {
	if err := p.pausing.Take(p.ctx); err != nil {
		return err
	}
	defer p.pausing.Give()
	if pause == 0 {
		return p.ctx.Err()
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}
