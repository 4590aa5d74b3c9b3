package recovery

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
	volumes "rvffs/store/volume/memory"
)

// TestRecoverBesideACommit: what was judged by a state that is not the newest any more
// is judged anew.
func TestRecoverBesideACommit(t *testing.T) {
	t.Parallel()
	ctx, files := t.Context(), volumes.New()
	s := newStore(t, files, files, nil)
	for id := range uint64(3) {
		s.ingest(t, float32(id+1), id+1)
	}
	tail := s.keep(t, files, vecSegment(9, 1, 7))
	session, err := s.log.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := s.planRecovery(ctx, s.newest(t), tail, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.ingest(t, 5, 1, 7)
	if err := plan.carryOut(ctx, session); !errors.Is(err, state.ErrSuperseded) {
		t.Errorf("carried out: %v", err)
	}
	result, err := s.recoverTail(ctx, session, tail, Options{})
	if err = errors.Join(err, plan.file.Close(), session.End()); err != nil {
		t.Fatal(err)
	}
	if len(result.Doubts) != 1 || result.Gone || result.Recovered+result.Present+result.Deleted+result.Others > 0 {
		t.Fatalf("%+v", result)
	}
	if doubt := result.Doubts[0]; doubt.Reason != DoubtNewer || doubt.Count != 2 || !slices.Equal(doubt.IDs, []uint64{1, 7}) {
		t.Errorf("%+v", doubt)
	}
	if got := s.content(t); got != "1:5 2:2 3:3 7:5" {
		t.Error(got)
	}
}

// TestNothingIsTorn: where no bytes are left of what was not published, as in a bucket of
// objects, there is no tail, and whoever names one hears why.
func TestNothingIsTorn(t *testing.T) {
	t.Parallel()
	ctx, files := t.Context(), volumes.New()
	s := newStore(t, files, files, func(where volume.Log) volume.Log { return struct{ volume.Log }{where} })
	s.ingest(t, 1, 1)
	for what, list := range map[string]func() ([]Tail, error){
		"listed": func() ([]Tail, error) { return s.List(ctx) },
		"kept":   func() ([]Tail, error) { return s.Kept(ctx) },
	} {
		if tails, err := list(); len(tails) > 0 || err != nil {
			t.Errorf("%s: %+v, %v", what, tails, err)
		}
	}
	if tail, some, err := s.Own(ctx); some || err != nil {
		t.Errorf("%+v, %v", tail, err)
	}
	if id, some, err := s.HighestID(ctx); some || err != nil {
		t.Errorf("highest id %d, %v", id, err)
	}
	for _, options := range []Options{{}, {List: true}, {Drop: true}} {
		if results, err := s.Recover(ctx, options); len(results) > 0 || err != nil {
			t.Errorf("%+v: %+v, %v", options, results, err)
		}
	}
	_, named := s.Recover(ctx, Options{Only: []string{"a.rvf.tail-1"}})
	_, _, salvage := s.Salvageable(ctx)
	for what, err := range map[string]error{"named": named, "salvageable": salvage, "rebuilt": s.Rebuild(ctx, new(segments.L2))} {
		if !errors.Is(err, volume.ErrInput) || !errors.Is(err, errNeverTorn) {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.ingest(t, 2, 2)
	if got := s.content(t); got != "1:1 2:2" || len(files.Names) != 1 {
		t.Error(got, fmt.Sprint(files.Names))
	}
}
