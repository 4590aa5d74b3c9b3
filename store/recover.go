package store

import (
	"context"
	"fmt"

	"rvffs/segments"
	"rvffs/store/recovery"
)

// Tails lists what somebody has to decide upon: whole segments behind the newest
// manifest, unless a writer is just at work, and what was kept of such beside the
// store. It changes nothing.
func (s *Store) Tails(ctx context.Context) ([]recovery.Tail, error) { return s.tails.List(ctx) }

// TailsOpened is Tails for who has just opened the store.
func (s *Store) TailsOpened(ctx context.Context) ([]recovery.Tail, error) {
	return s.tails.ListOpened(ctx)
}

// KeptTails lists the tails that are kept beside the store, in the order in which they
// were cut off.
func (s *Store) KeptTails(ctx context.Context) ([]recovery.Tail, error) { return s.tails.Kept(ctx) }

// Recover brings back what stands behind the newest manifest, and what was kept of such
// beside the store. See recovery.Tails.Recover.
func (s *Store) Recover(ctx context.Context, options recovery.Options) ([]recovery.Result, error) {
	results, err := s.tails.Recover(ctx, options)
	if err != nil {
		err = fmt.Errorf("recover store %q: %w", s.Path(), err)
	}
	return results, err
}

// RecoverHeaders mends damaged headers of segments that the newest manifest names. See
// recovery.Tails.RecoverHeaders.
func (s *Store) RecoverHeaders(ctx context.Context, list bool) ([]recovery.HeaderRepair, error) {
	repairs, err := s.tails.RecoverHeaders(ctx, list)
	if err != nil {
		err = fmt.Errorf("recover store %q: %w", s.Path(), err)
	}
	return repairs, err
}

// Rebuild makes a store again of a file in which no manifest is left. See
// recovery.Tails.Rebuild.
func Rebuild(ctx context.Context, name string, metric *segments.Metric, options Options) error {
	s := locate(name, options)
	if err := s.torn().Rebuild(ctx, metric); err != nil {
		return fmt.Errorf("rebuild store %q: %w", s.file.Path(), err)
	}
	return nil
}

// Salvageable tells what Rebuild would find in a file without a manifest, and whether
// the distances are among that; it changes nothing.
func Salvageable(ctx context.Context, name string, options Options) (tail recovery.Tail, measured bool, err error) {
	return locate(name, options).torn().Salvageable(ctx)
}

// torn is what is in a file that shows no state.
func (s *Store) torn() *recovery.Tails {
	return recovery.New(recovery.Environment{File: s.file, OnTail: s.options.OnTail})
}

// CutManifest finds the newest manifest of a file when only its end was cut off that follows
// from the rest; nil when there is none such. See recovery.Tails.CutManifest.
func CutManifest(ctx context.Context, name string, options Options) (*recovery.CutManifest, error) {
	return tailsOf(ctx, name, options).CutManifest(ctx)
}

// CompleteManifest puts back what is missing of it, so that the store is what it was.
func CompleteManifest(ctx context.Context, name string, cut *recovery.CutManifest, options Options) error {
	s := locate(name, options)
	if err := s.torn().Complete(ctx, cut); err != nil {
		return fmt.Errorf("complete the manifest of store %q: %w", s.file.Path(), err)
	}
	return nil
}

// tailsOf are those of a file that may show no state.
func tailsOf(ctx context.Context, name string, options Options) *recovery.Tails {
	s := locate(name, options)
	if s.load(ctx) != nil {
		return s.torn()
	}
	return s.tails
}
