package store

import (
	"context"
	"sync"
	"time"

	"rvffs/store/volume"
)

// ioShare is the part of the time, in per cent, that a compaction may use the disk.
type ioShare int

// The shares of the published policy.
const (
	backgroundShare ioShare = 30
	emergencyShare  ioShare = 60
	fullSpeed       ioShare = 100
)

// pause is how long the share asks to wait after work took so long.
func (share ioShare) pause(work time.Duration) time.Duration {
	if share >= fullSpeed {
		return 0
	}
	return work * time.Duration(fullSpeed-share) / time.Duration(share)
}

// pacer keeps what reads and writes paced files to a share of the disk's time.
type pacer struct {
	ctx     context.Context
	pausing chan struct{} // holds one token during a pause, in which nobody works

	mu    sync.Mutex
	share ioShare
	owed  time.Duration // of pauses
}

// hurry ends all pauses.
func (p *pacer) hurry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.share, p.owed = fullSpeed, 0
}

func newPacer(ctx context.Context, share ioShare) *pacer {
	return &pacer{ctx: ctx, share: share, pausing: make(chan struct{}, 1)}
}

// worthPause is the pause below which none is made.
const worthPause = 5 * time.Millisecond

// file is file for somebody who pauses as the share asks, and whose reads and
// writes end with the context.
func (p *pacer) file(file volume.File) volume.File { return pacedFile{file, p} }

type pacedFile struct {
	volume.File
	pacer *pacer
}

func (f pacedFile) ReadAt(b []byte, offset int64) (n int, err error) {
	if ended := f.pacer.pace(func() { n, err = f.File.ReadAt(b, offset) }); ended != nil {
		return 0, ended
	}
	return n, err
}

func (f pacedFile) WriteAt(b []byte, offset int64) (n int, err error) {
	if ended := f.pacer.pace(func() { n, err = f.File.WriteAt(b, offset) }); ended != nil {
		return 0, ended
	}
	return n, err
}

// pace does work, unless a pause is on, and pauses as long as that asks for. It
// fails once the context has ended.
func (p *pacer) pace(work func()) error {
	if err := p.wait(0); err != nil {
		return err
	}
	began := time.Now()
	work()
	p.mu.Lock()
	p.owed += p.share.pause(time.Since(began))
	pause := p.owed
	if pause < worthPause {
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
func (p *pacer) wait(pause time.Duration) error {
	select {
	case p.pausing <- struct{}{}:
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
	defer func() { <-p.pausing }()
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
