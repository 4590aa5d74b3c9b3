package bucket

import (
	"context"
	"fmt"
	"sync"
	"time"

	"rvffs/store/volume/bucket/objects"
)

// uploading is an object that is sent in parts, some of them at the same time. Nobody sees it
// before it is complete.
type uploading struct {
	volume *Volume
	key    string
	under  objects.Upload
	ctx    context.Context // of what is sent
	stop   context.CancelFunc
	parts  sync.WaitGroup
	slots  chan struct{}

	mu    sync.Mutex // guards what follows
	tags  []objects.Tag
	wrong error // of the first part that could not be sent
	whole bool
}

// partsAtOnce is how many of one object are sent at the same time.
const partsAtOnce = 3

// beginUpload begins one, which will have these metadata. It ends with drop.
func (v *Volume) beginUpload(ctx context.Context, key string, meta objects.Metadata) (*uploading, error) {
	u := &uploading{volume: v, key: key, slots: make(chan struct{}, partsAtOnce)}
	err := v.send(ctx, func(ctx context.Context) (err error) {
		u.under, err = v.objects.Begin(ctx, key, meta)
		return err
	})
	if err != nil {
		return nil, err
	}
	u.ctx, u.stop = context.WithCancel(v.ctx)
	return u, nil
}

// put has a part sent, of a number from 1 on, when fewer are under way. Of one number the last
// one counts. Sent, when it is not nil, is called when the content is needed no more.
func (u *uploading) put(ctx context.Context, number int, content []byte, sent func()) error {
	return u.part(ctx, number, func(ctx context.Context) (objects.Tag, error) {
		return u.volume.objects.PutPart(ctx, u.key, u.under, number, content)
	}, sent)
}

// copy has the bucket make a part of another object's bytes.
func (u *uploading) copy(ctx context.Context, number int, from string, offset, length int64) error {
	return u.part(ctx, number, func(ctx context.Context) (objects.Tag, error) {
		return u.volume.objects.CopyPart(ctx, u.key, u.under, number, from, offset, length)
	}, nil)
}

// part has a part made by a request, beside all else. It fails when one before could not be made.
func (u *uploading) part(ctx context.Context, number int, request func(context.Context) (objects.Tag, error), over func()) error {
	select {
	case u.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	u.mu.Lock()
	for len(u.tags) < number {
		u.tags = append(u.tags, "")
	}
	u.mu.Unlock()
	u.parts.Go(func() {
		defer func() { <-u.slots }()
		var tag objects.Tag
		err := u.volume.send(u.ctx, func(ctx context.Context) (err error) {
			tag, err = request(ctx)
			return err
		})
		if over != nil {
			over()
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		u.tags[number-1] = tag
		if err != nil && u.wrong == nil {
			u.wrong = err
		}
	})
	return u.failure()
}

func (u *uploading) failure() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.wrong
}

// sent waits until all parts that were begun are made.
func (u *uploading) sent(ctx context.Context) error {
	for range partsAtOnce {
		select {
		case u.slots <- struct{}{}:
			defer func() { <-u.slots }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return u.failure()
}

// complete makes the object, of so many bytes, of all its parts, and looks whether it is there
// where that is not said.
func (u *uploading) complete(ctx context.Context, size int64) error {
	if err := u.sent(ctx); err != nil {
		return err
	}
	v := u.volume
	patient, stop := context.WithTimeout(ctx, v.options.CommitTimeout)
	defer stop()
	for try := 1; ; try++ {
		err := v.once(patient, func(ctx context.Context) error {
			_, err := v.objects.Complete(ctx, u.key, u.under, u.tags, objects.Condition{})
			return err
		})
		if u.whole = err == nil || u.isThere(patient, size); u.whole {
			return nil
		}
		if v.pace.rest(patient, try) != nil {
			err = v.late(ctx, err)
		} else if !decided(err) || try < triesOfWrong {
			continue
		}
		return fmt.Errorf("complete the upload of an object: %w", err)
	}
}

// isThere reports whether the object is there that was to be made, of so many bytes.
func (u *uploading) isThere(ctx context.Context, size int64) bool {
	found, err := u.volume.get(ctx, u.key, objects.Read{Offset: size - 1, Length: 1})
	return err == nil && found.Size == size
}

// swap makes the object, of so many bytes, in the place of one on which that depends. It is asked for
// once: an answer that is lost says nothing. Some servers put the parts one behind the other then,
// and are given time for that.
func (u *uploading) swap(ctx context.Context, size int64, only objects.Condition) (objects.Tag, error) {
	const slowly = 32 << 20 // bytes a second
	patience := u.volume.options.CommitTimeout + time.Duration(size/slowly)*time.Second
	limited, stop := context.WithTimeout(ctx, patience)
	defer stop()
	tag, err := u.volume.objects.Complete(limited, u.key, u.under, u.tags, only)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w within %v: %w", objects.ErrSilent, patience, err)
	}
	u.whole = err == nil
	if err == nil && tag == "" {
		err = fmt.Errorf("%w: it answers without a tag", objects.ErrServer)
	}
	return tag, err
}

// drop ends it. What is not complete is given up.
func (u *uploading) drop() {
	u.stop()
	u.parts.Wait()
	if u.whole || u.volume.silence.lasts() {
		return
	}
	_ = u.volume.once(u.volume.ctx, func(ctx context.Context) error { return u.volume.objects.Abort(ctx, u.key, u.under) })
}
