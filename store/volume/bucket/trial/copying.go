package trial

import (
	"bytes"
	"context"

	"rvffs/store/volume/bucket/objects"
)

// partSource is what parts are made of.
var partSource = bytes.Repeat([]byte("0123456789abcdef"), (objects.SmallestPart+1024)/16)

func (t *trial) writesParts(ctx context.Context) error {
	return t.assemble(ctx, "written in parts", func(upload objects.Upload) (objects.Tag, error) {
		return t.ways[0].PutPart(ctx, t.key("written in parts"), upload, 1, partSource)
	})
}

func (t *trial) copiesParts(ctx context.Context) error {
	if _, err := t.put(ctx, 0, "source of parts", "x"+string(partSource), objects.Condition{}); err != nil {
		return err
	}
	return t.assemble(ctx, "copied in parts", func(upload objects.Upload) (objects.Tag, error) {
		return t.ways[0].CopyPart(ctx, t.key("copied in parts"), upload, 1, t.key("source of parts"), 1, int64(len(partSource)))
	})
}

// assemble makes an object of a first part, which has the bytes of partSource, and a last one.
func (t *trial) assemble(ctx context.Context, name string, first func(objects.Upload) (objects.Tag, error)) error {
	const end = "the end"
	upload, err := t.ways[0].Begin(ctx, t.key(name))
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
	if _, err := t.ways[0].Complete(ctx, t.key(name), upload, tags); err != nil {
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
