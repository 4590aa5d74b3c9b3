package trial

import (
	"bytes"
	"context"

	"rvffs/store/volume/bucket/objects"
)

// partSource is what parts are made of.
var partSource = bytes.Repeat([]byte("0123456789abcdef"), (objects.SmallestPart+1024)/16)

func (t *trial) writesParts(ctx context.Context) error {
	return t.assembleWritten(ctx, "written in parts", objects.Condition{})
}

// assembleWritten is assemble of a part that is sent.
func (t *trial) assembleWritten(ctx context.Context, name string, only objects.Condition) error {
	return t.assemble(ctx, name, only, func(upload objects.Upload) (objects.Tag, error) {
		return t.ways[0].PutPart(ctx, t.key(name), upload, 1, partSource)
	})
}

// completesOnCondition wants an object that was sent in parts in the place of the one that is
// known, and of no other.
func (t *trial) completesOnCondition(ctx context.Context) error {
	const name = "swapped in parts"
	known, err := t.put(ctx, 0, name, "known", objects.Condition{})
	if err != nil {
		return err
	}
	if _, err := t.put(ctx, 0, name, "newer", objects.Condition{}); err != nil {
		return err
	}
	if err := checkRefused(t.assembleWritten(ctx, name, objects.Condition{Match: known})); err != nil {
		return err
	}
	if err := t.holds(ctx, name, "newer"); err != nil {
		return err
	}
	last, err := t.put(ctx, 0, name, "last", objects.Condition{})
	if err != nil {
		return err
	}
	return t.assembleWritten(ctx, name, objects.Condition{Match: last})
}

func (t *trial) copiesParts(ctx context.Context) error {
	if _, err := t.put(ctx, 0, "source of parts", "x"+string(partSource), objects.Condition{}); err != nil {
		return err
	}
	return t.assemble(ctx, "copied in parts", objects.Condition{}, func(upload objects.Upload) (objects.Tag, error) {
		return t.ways[0].CopyPart(ctx, t.key("copied in parts"), upload, 1, t.key("source of parts"), 1, int64(len(partSource)))
	})
}

// assemble makes an object of a first part, which has the bytes of partSource, and a last one.
func (t *trial) assemble(ctx context.Context, name string, only objects.Condition, first func(objects.Upload) (objects.Tag, error)) error {
	const end = "the end"
	upload, err := t.ways[0].Begin(ctx, t.key(name), nil)
	if err != nil {
		return err
	}
	tags := make([]objects.Tag, 2)
	if tags[0], err = first(upload); err == nil {
		tags[1], err = t.ways[0].PutPart(ctx, t.key(name), upload, 2, []byte(end))
	}
	if err != nil {
		_ = t.ways[0].Abort(ctx, t.key(name), upload)
		return err
	}
	if _, err := t.ways[0].Complete(ctx, t.key(name), upload, tags, only); err != nil {
		_ = t.ways[0].Abort(ctx, t.key(name), upload)
		return err
	}
	return t.holds(ctx, name, string(partSource)+end)
}

func (t *trial) copies(ctx context.Context) error {
	if _, err := t.put(ctx, 0, "source", "content", objects.Condition{}); err != nil {
		return err
	}
	if _, err := t.ways[0].Copy(ctx, t.key("source"), t.key("copy")); err != nil {
		return err
	}
	return t.holds(ctx, "copy", "content")
}
