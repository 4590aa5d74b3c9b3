package recovery

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/volume"
)

// Salvageable tells what Rebuild would find in a file without a manifest, and whether
// the distances are among that; it changes nothing.
func (t *Tails) Salvageable(ctx context.Context) (tail Tail, measured bool, err error) {
	if t.remnants == nil {
		return Tail{}, false, errNeverTorn
	}
	file, err := t.remnants.Raw(ctx)
	if err != nil {
		return Tail{}, false, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	stat, err := file.Describe()
	if err != nil {
		return Tail{}, false, err
	}
	info, err := describeWhole(ctx, path.Base(t.env.File.Name()), file, stat.Size)
	info.Tail.File, info.Tail.Kept = path.Base(t.env.File.Name()), false
	return info.Tail, info.Metric != "", err
}

// Rebuild makes a store again of a file in which no manifest is left, such as a copy
// that was cut. The file's bytes are kept beside it, as a tail; in its place stands an
// empty store with an identity of its own, whose Recover brings back what is whole.
// What the distances were no vector tells: where nothing is left of the manifest, they
// become those of metric, and without one nothing is done. A file in which nothing is
// whole is left as it is, too.
func (t *Tails) Rebuild(ctx context.Context, metric *segments.Metric) error {
	if t.remnants == nil {
		return errNeverTorn
	}
	return t.remnants.Rebuild(ctx, func(file volume.Bytes) ([]byte, error) {
		stat, err := file.Describe()
		if err != nil {
			return nil, err
		}
		info, err := describeWhole(ctx, path.Base(t.env.File.Name()), file, stat.Size)
		if err != nil {
			return nil, err
		}
		if info.Metric == "" {
			if metric == nil {
				return nil, fmt.Errorf("%w: nothing in the file tells any more how distances are measured: say it with --metric l2, ip or cosine", volume.ErrInput)
			}
			info.Metric = metric.String()
		}
		if err := t.keepTail(ctx, file, info); err != nil {
			return nil, fmt.Errorf("keep %s: %w", info.Tail.String(), err)
		}
		id, err := lineage.NewFileID()
		if err != nil {
			return nil, err
		}
		measure, err := segments.ParseMetric(info.Metric)
		if err != nil {
			return nil, err
		}
		content, _, err := volume.Lay(0, 1, uint64(time.Now().UnixNano()), nil, &segments.Manifest{
			Dimension: uint16(info.Dimension), Metric: measure, Identity: lineage.Identity{FileID: id}, HasIdentity: true,
		})
		return content, err
	})
}

// describeWhole describes a file without a manifest as a tail of nothing. Its metric is
// empty where what is left of a manifest does not tell it.
func describeWhole(ctx context.Context, name string, file volume.Bytes, size int64) (tailInfo, error) {
	info := describeTail(name, Tail{NoManifest: true})
	walk := tailWalk{file: volume.Watch(ctx, file), size: size}
	err := walk.parts(func(p tailPart) error {
		switch {
		case p.vectors.rows > 0 && info.Dimension == 0 && !segments.IsWireHash(p.Header):
			info.Dimension = p.vectors.dimension
		case p.Type == segments.TypeManifest:
			begun, _, err := walk.cutManifest(p)
			if begun != nil && begun.Metric.Known() {
				info.Dimension, info.Metric = int(begun.Dimension), begun.Metric.String()
			}
			return err
		}
		return nil
	})
	if err == nil {
		err = info.find(walk)
	}
	if err == nil && (info.Dimension == 0 && info.Embedded == 0 || !info.salvageable()) {
		err = fmt.Errorf("%w: nothing in its %d bytes is whole", volume.ErrNotStore, size)
	}
	if err == nil {
		info.Kept = true
		walk.dimension = info.Dimension
		var charge memory.Charge
		_, err = tailIDs(ctx, walk, &info, func(tailVectors) (bool, error) { return false, nil }, &charge)
		charge.Free()
	}
	return info, err
}
