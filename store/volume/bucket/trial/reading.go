package trial

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"rvffs/store/volume/bucket/objects"
)

// often is how many times what may go right by chance is tried.
const often = 8

func (t *trial) readsWrites(ctx context.Context) error {
	for turn := range often {
		content := fmt.Sprint("turn ", turn)
		if _, err := t.put(ctx, turn, "read", content, objects.Condition{}); err != nil {
			return err
		}
		if err := t.holds(ctx, "read", content); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) readsParts(ctx context.Context) error {
	if _, err := t.put(ctx, 0, "parts", "0123456789", objects.Condition{}); err != nil {
		return err
	}
	for want, read := range map[string]objects.Read{"234": {Offset: 2, Length: 3}, "789": {Offset: 7}, "6789": {Offset: -4}} {
		found, err := t.ways[0].Get(ctx, t.key("parts"), read)
		if err != nil {
			return err
		}
		if string(found.Content) != want || found.Size != 10 {
			return fmt.Errorf("%q of %d bytes, where %q of 10 was asked for", found.Content, found.Size, want)
		}
	}
	return nil
}

func (t *trial) readsChanges(ctx context.Context) error {
	tag, err := t.put(ctx, 0, "changes", "first", objects.Condition{})
	if err != nil {
		return err
	}
	for _, way := range t.ways {
		if _, err := way.Get(ctx, t.key("changes"), objects.Read{NoneMatch: tag}); !errors.Is(err, objects.ErrSame) {
			return errors.Join(errors.New("it was not said that nothing has changed"), err)
		}
	}
	if _, err := t.put(ctx, 0, "changes", "second", objects.Condition{}); err != nil {
		return err
	}
	for _, way := range t.ways {
		if found, err := way.Get(ctx, t.key("changes"), objects.Read{NoneMatch: tag}); err != nil || string(found.Content) != "second" {
			return errors.Join(errors.New("a change was not seen"), err)
		}
	}
	return nil
}

func (t *trial) lists(ctx context.Context) error {
	for turn := range often {
		name := fmt.Sprint("listed/", turn)
		if _, err := t.put(ctx, turn, name, "content", objects.Condition{}); err != nil {
			return err
		}
		if err := t.listed(ctx, "listed/", name); err != nil {
			return err
		}
		if err := t.ways[turn%len(t.ways)].Delete(ctx, t.key(name), objects.Condition{}); err != nil {
			return err
		}
		if err := t.listed(ctx, "listed/"); err != nil {
			return err
		}
	}
	return nil
}

// listed fails unless all ways list these names in a folder and no others.
func (t *trial) listed(ctx context.Context, folder string, want ...string) error {
	for _, way := range t.ways {
		page, err := way.List(ctx, objects.List{Prefix: t.prefix + folder, Delimiter: "/"})
		if err != nil {
			return err
		}
		var names []string
		for _, entry := range page.Entries {
			names = append(names, entry.Key[len(t.prefix):])
		}
		if !slices.Equal(names, want) {
			return fmt.Errorf("listed were %q, where there were %q", names, want)
		}
	}
	return nil
}
