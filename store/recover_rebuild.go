package store

import (
	"context"
	"errors"
	"fmt"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// Rebuild makes a store again of a file in which no manifest is left, such as a copy
// that was cut. The file's bytes are kept beside it, as a tail; in its place stands an
// empty store with an identity of its own, whose Recover brings back what is whole.
// What the distances were no vector tells: where nothing is left of the manifest, they
// become those of metric, and without one nothing is done. A file in which nothing is
// whole is left as it is, too.
func Rebuild(ctx context.Context, name string, metric *segments.Metric, options Options) error {
	s, err := locate(name, options)
	if err == nil {
		err = errors.Join(s.rebuild(ctx, metric), s.closeOwned())
	}
	if err != nil {
		return fmt.Errorf("rebuild store %q: %w", name, err)
	}
	return nil
}

// Salvageable tells what Rebuild would find in a file without a manifest, and whether
// the distances are among that; it changes nothing.
func Salvageable(ctx context.Context, name string) (tail Tail, measured bool, err error) {
	return salvageable(ctx, name, Options{})
}

func salvageable(ctx context.Context, name string, options Options) (tail Tail, measured bool, err error) {
	s, err := locate(name, options)
	if err != nil {
		return Tail{}, false, err
	}
	defer func() { err = errors.Join(err, s.closeOwned()) }()
	at := s.location()
	file, err := at.Files.Open(at.Name, false)
	if err != nil {
		return Tail{}, false, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	stat, err := file.Stat()
	if err != nil {
		return Tail{}, false, err
	}
	info, err := describeWhole(ctx, baseName(at.Name), file, stat.Size)
	info.Tail.File, info.Tail.Kept = baseName(at.Name), false
	return info.Tail, info.Metric != "", err
}

func (s *Store) rebuild(ctx context.Context, metric *segments.Metric) (err error) {
	at := s.location()
	lock, err := filelog.Acquire(ctx, at.Files, at.Name, s.options.lockWait())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	file, err := at.Files.Open(at.Name, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := filelog.Claim(ctx, at.Files, at.Name, file, s.options.lockWait()); err != nil {
		return err
	}
	stat, err := file.Stat()
	if err != nil {
		return err
	}
	if _, err := s.file.FindState(volume.Watch(ctx, file), stat.Size, segments.FindOptions{}); !errors.Is(err, volume.ErrNotStore) {
		return errors.Join(err, fmt.Errorf("%w: it has a manifest", volume.ErrExists))
	}
	info, err := describeWhole(ctx, baseName(at.Name), file, stat.Size)
	if err != nil {
		return err
	}
	if info.Metric == "" {
		if metric == nil {
			return fmt.Errorf("%w: nothing in the file tells any more how distances are measured: say it with --metric l2, ip or cosine", volume.ErrInput)
		}
		info.Metric = metric.String()
	}
	if err := s.keepTail(ctx, file, info); err != nil {
		return fmt.Errorf("keep %s: %w", info.Tail.String(), err)
	}
	attributes, err := file.Attributes()
	if err != nil {
		return err
	}
	id, err := lineage.NewFileID()
	if err != nil {
		return err
	}
	measure, err := segments.ParseMetric(info.Metric)
	if err != nil {
		return err
	}
	temporary := filelog.TemporaryName(at.Name)
	err = writeNew(at.Files, temporary, newFileContent{perm: 0o600, manifest: &segments.Manifest{
		Dimension: uint16(info.Dimension), Metric: measure, Identity: lineage.Identity{FileID: id}, HasIdentity: true,
	}})
	if err != nil {
		return err
	}
	if err = dress(at.Files, temporary, attributes); err == nil {
		err = at.Files.Rename(temporary, at.Name)
	}
	if err != nil {
		return errors.Join(err, at.Files.Remove(temporary))
	}
	return at.Files.SyncDirectory(at.Name)
}

// dress gives a file attributes.
func dress(files volume.FileSystem, name string, attributes volume.FileAttributes) error {
	file, err := files.Open(name, true)
	if err != nil {
		return err
	}
	return errors.Join(file.SetAttributes(attributes), file.SyncData(), file.Close())
}

// describeWhole describes a file without a manifest as a tail of nothing. Its metric is
// empty where what is left of a manifest does not tell it.
func describeWhole(ctx context.Context, name string, file volume.File, size int64) (tailInfo, error) {
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
