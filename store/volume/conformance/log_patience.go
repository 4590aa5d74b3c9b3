package conformance

import (
	"context"
	"errors"
	"strings"
	"time"

	"rvffs/store/volume"
)

// patience: whoever does not wait any more is let go, and what he asked for is done all the
// same or changes nothing.
func patience(l *logs) {
	t := l.t
	l.create("a", 2)
	log, _ := l.opened("a")
	w := l.begin(log)
	w.put("one")
	d := w.draft("two")
	c := w.commit(d)
	if version, err := w.Publish(ended(t), c); err == nil {
		w.version = version
		w.texts, w.open = append(w.texts, "two"), nil
	} else {
		if fails(t, "publish when nobody waits", err, context.Canceled); version != nil || w.Failed() != nil {
			t.Errorf("version %v is published, the session failed with %v", version, w.Failed())
		}
		w.standsOn(w.version)
		w.published(c, d)
	}
	l.holds(w)

	// A body of known length is not complete: nobody can be kept waiting for it.
	known := w.extent(volume.ExtentSpec{Length: 10})
	w.more(known, "12345")
	soon := func(what string, wait func(context.Context) error) {
		t.Helper()
		short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		fails(t, what, wait(short), context.DeadlineExceeded)
	}
	soon("settle what is not complete", known.Settle)
	r, err := w.startRewrite()
	must(t, err)
	if !l.ground.Apart {
		soon("freeze what is not complete", func(ctx context.Context) error {
			_, err := r.Freeze(ctx)
			return err
		})
		late := w.extent(volume.ExtentSpec{})
		soon("write while writers wait", func(ctx context.Context) error { return late.Write(ctx, []byte("late")) })
		soon("take a place while writers wait", late.Settle)
		r.Thaw()
	}
	if w.Frozen() {
		t.Error("writers wait for who has given up")
	}
	w.more(known, "67890")
	known.Complete()

	questions := map[string]func(context.Context) error{
		"read back": func(ctx context.Context) error { return known.ReadBack(ctx, make([]byte, 1), 0) },
		"settle":    known.Settle,
		"copy": func(ctx context.Context) error {
			_, err := r.Copy(ctx, strings.NewReader("x"), 0, 1)
			return errors.Join(err, r.Cut(t.Context(), 0))
		},
		"carry":     func(ctx context.Context) error { return r.Carry(ctx, r.room) },
		"make room": func(ctx context.Context) error { return r.MakeRoom(ctx, 1<<20, r.room) },
		"write out": r.Settle,
		"guard":     w.Guard,
		"spool": func(ctx context.Context) error {
			spool, err := log.Spool(ctx)
			if err == nil {
				err = spool.Close()
			}
			return err
		},
		"pin": func(ctx context.Context) error {
			_, err := w.version.Generation.Pin(ctx)
			if err == nil {
				err = w.version.Generation.Unpin()
			}
			return err
		},
	}
	if remnants, torn := log.(volume.Remnants); torn {
		questions["read raw"] = func(ctx context.Context) error {
			raw, err := remnants.Raw(ctx)
			if err == nil {
				err = raw.Close()
			}
			return err
		}
		questions["list remnants"] = func(ctx context.Context) error {
			_, err := remnants.Remnants(ctx)
			return err
		}
	}
	for what, ask := range questions {
		if err := ask(ended(t)); err != nil {
			fails(t, what+" when nobody waits", err, context.Canceled)
		}
		must(t, ask(t.Context()))
	}
	must(t, r.Abort())
	w.publish(known)
	w.end()
	l.holds(w)
	l.lists("a")
}
