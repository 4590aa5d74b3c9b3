package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"rvffs/store/recovery"
	"rvffs/store/volume"
	"rvffs/store/volume/bucket"
	buckets "rvffs/store/volume/bucket/memory"
)

// TestCutObjectsAreLeftAlone: of an object that another program has put into a bucket, and that was
// cut, it is told what stands behind its newest manifest, and nothing is cut off.
func TestCutObjectsAreLeftAlone(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ rows, dimension int }{"short": {50, 4}, "longer than is read at once": {1500, 128}} {
		for _, cut := range []int{60, 100} {
			t.Run(fmt.Sprintf("%s, by %d", what, cut), func(t *testing.T) {
				t.Parallel()
				ctx := t.Context()
				objects := buckets.New()
				shelf := bucket.Open(objects, bucket.Options{Inline: 16 << 20}).Shelf()
				made, err := Create(ctx, "a.rvf", CreateOptions{Dimension: c.dimension}, Options{Shelf: shelf})
				if err != nil {
					t.Fatal(err)
				}
				_, err = made.Ingest(ctx, nil, make([]float32, c.rows*c.dimension))
				if err = errors.Join(err, made.Close()); err != nil {
					t.Fatal(err)
				}
				whole := objects.Content("a.rvf")
				objects.Upload("b.rvf", whole[:len(whole)-cut])
				v := bucket.Open(objects, bucket.Options{Freshness: -1})
				s, err := Open(ctx, "b.rvf", Options{Shelf: v.Shelf()})
				if err != nil {
					t.Fatal(err)
				}
				tails, err := s.Tails(ctx)
				if err != nil || len(tails) != 1 || tails[0].Vectors != uint64(c.rows) || tails[0].Kept {
					t.Errorf("%+v is told, %v", tails, err)
				}
				found, err := s.Verify(ctx)
				if err != nil || len(found.Tails) != 1 {
					t.Errorf("verify tells of %+v, %v", found.Tails, err)
				}
				listed, err := s.Recover(ctx, recovery.Options{List: true})
				if err != nil || len(listed) != 1 {
					t.Errorf("recover lists %+v, %v", listed, err)
				}
				for what, do := range map[string]func() error{
					"ingest":  func() error { _, err := s.Ingest(ctx, nil, make([]float32, c.dimension)); return err },
					"delete":  func() error { _, err := s.Delete(ctx, []uint64{1}); return err },
					"compact": func() error { _, err := s.Compact(ctx); return err },
					"recover": func() error { _, err := s.Recover(ctx, recovery.Options{}); return err },
					"chmod": func() error {
						held, err := v.Hold(ctx, "b.rvf")
						if err != nil {
							return err
						}
						mode := held.Info().Mode ^ 0o200
						return errors.Join(held.Change(context.Background(), volume.AttributeChange{Mode: &mode, UID: -1, GID: -1}), held.Close())
					},
				} {
					if err := do(); !errors.Is(err, volume.ErrInput) {
						t.Errorf("%s: %v", what, err)
					}
				}
				if !bytes.Equal(objects.Content("b.rvf"), whole[:len(whole)-cut]) {
					t.Error("the object is another one")
				}
				if err := errors.Join(s.Close(), v.Close()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
