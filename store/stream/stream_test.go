package stream

import (
	"context"
	"errors"
	"slices"
	"testing"

	"rvffs/store/state"
	"rvffs/store/volume"
)

// tellingContent notes what it is asked for, and does as it is told.
type tellingContent struct {
	asked  []string
	commit bool
	fails  error // of the next thing asked
}

func (c *tellingContent) note(what string) error {
	c.asked = append(c.asked, what)
	err := c.fails
	c.fails = nil
	return err
}

func (c *tellingContent) content() Content {
	return Content{
		Afford: func(context.Context, int) error { return c.note("afford") },
		Write:  func(context.Context, []byte) error { return c.note("write") },
		Settle: func(context.Context, Occasion) (bool, error) { return c.commit, c.note("settle") },
		Commit: func(context.Context) error { return c.note("commit") },
		Joined: func() bool { return false },
		Drop:   func(cause error) error { return errors.Join(cause, c.note("drop")) },
		LetGo:  func() error { return c.note("let go") },
	}
}

// there says that a store's file is where it was.
func there(context.Context, state.Origin) error { return nil }

// TestErrorsEndAStream but those that say that they pass: of one that has ended nothing is
// asked but to let go, and all that follows fails with what ended it.
func TestErrorsEndAStream(t *testing.T) {
	t.Parallel()
	wrong := errors.New("wrong")
	for _, test := range []struct {
		name   string
		commit bool
		fails  error
		ends   bool
		asked  []string
	}{
		{"nothing to commit", false, nil, false, []string{"settle", "write", "settle", "let go"}},
		{"committed", true, nil, false, []string{"settle", "commit", "write", "settle", "commit", "let go"}},
		{"passing", true, Passing{wrong}, false, []string{"settle", "write", "settle", "commit", "let go"}},
		{"failed", true, wrong, true, []string{"settle", "drop", "let go"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			register := NewRegister(func() string { return "a.rvf" }, there)
			content := &tellingContent{commit: test.commit, fails: test.fails}
			s, inside := register.New(state.Origin{}, "append to", content.content())
			if err := inside.Begin(); err != nil || register.Len() != 1 {
				t.Fatalf("%d streams are open: %v", register.Len(), err)
			}
			err := s.Flush(t.Context())
			if errors.Is(err, wrong) != (test.fails != nil) {
				t.Errorf("flush: %v, want %v", err, test.fails)
			}
			_, later := s.Write(t.Context(), []byte("x"))
			if test.ends && (err == nil || later == nil || later.Error() != err.Error()) || !test.ends && later != nil {
				t.Errorf("a write behind it: %v", later)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if !slices.Equal(content.asked, test.asked) {
				t.Errorf("asked for %q, want %q", content.asked, test.asked)
			}
			if register.Len() != 0 {
				t.Error("it is still open")
			}
			if _, err := s.Write(t.Context(), nil); err == nil {
				t.Error("it takes bytes though it is closed")
			}
		})
	}
}

// TestNoStreamBeginsInAClosedStore, for nobody would end it.
func TestNoStreamBeginsInAClosedStore(t *testing.T) {
	t.Parallel()
	register := NewRegister(func() string { return "a.rvf" }, there)
	register.End()
	_, inside := register.New(state.Origin{}, "append to", (&tellingContent{}).content())
	if err := inside.Begin(); !errors.Is(err, volume.ErrClosed) || register.Len() != 0 {
		t.Errorf("%d streams are open: %v", register.Len(), err)
	}
}

// TestGivenUpIsSaidOnce: who gave a write up hears so; who asks for anything behind it hears
// that the stream has ended, for programs make a call again that was interrupted, for ever.
func TestGivenUpIsSaidOnce(t *testing.T) {
	t.Parallel()
	register := NewRegister(func() string { return "a.rvf" }, there)
	content := &tellingContent{fails: context.Canceled}
	s, inside := register.New(state.Origin{}, "append to", content.content())
	if err := inside.Begin(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up was told: %v", err)
	}
	for name, ask := range map[string]func() error{
		"afford": func() error { return s.Afford(t.Context(), 1) },
		"write":  func() error { _, err := s.Write(t.Context(), nil); return err },
		"refuse": func() error { return s.Refuse(volume.ErrInput) },
		"flush":  func() error { return s.Flush(t.Context()) },
	} {
		if err := ask(); errors.Is(err, context.Canceled) || !errors.Is(err, volume.ErrClosed) {
			t.Errorf("%s behind it: %v", name, err)
		}
	}
}
