package bucket

import (
	"context"
	"fmt"

	"rvffs/store/volume"
)

// What rvffs puts into a bucket ends with its newest manifest. What another program has put there may
// have been cut, and then whole segments may stand behind it.

var _ volume.Torn = (*Log)(nil)

// Length implements volume.Torn.
func (l *Log) Length() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == nil {
		return 0
	}
	return l.current.Size
}

// endsWithState refuses to change an object behind whose newest manifest something stands, where nobody
// has looked what that is: it would be cut off.
func (v *Volume) endsWithState(ctx context.Context, s *stored) error {
	if err := v.find(ctx, s, nil); err != nil {
		return err
	}
	if behind := s.Size - s.state.End; behind > 0 {
		return fmt.Errorf("%w: %d bytes stand behind the newest manifest, and would be cut off: look at them with rvffs verify", volume.ErrInput, behind)
	}
	return nil
}

// lengthOf is that of the object which shows a version, where that is known still: the versions
// behind it end with their manifests.
func (l *Log) lengthOf(version *volume.Version) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if shows(l.current, version) {
		return l.current.Size
	}
	return version.State.End
}

// Raw implements volume.Torn.
func (l *Log) Raw(ctx context.Context) (volume.Bytes, error) {
	key, err := l.key(ctx)
	if err != nil {
		return nil, err
	}
	found, err := l.volume.read(ctx, key, "")
	if err == nil && found.moved != nil {
		err = errMovedAway
	}
	if err != nil {
		return nil, storeError(l.Name(), err)
	}
	return volume.Watch(ctx, &reader{l.volume, l.volume.layoutOf(found)}), nil
}

// ending are a store's bytes as long as they were in one version.
type ending struct {
	volume.Bytes
	length int64
}

// Describe implements volume.Bytes.
func (e ending) Describe() (volume.FileInfo, error) {
	info, err := e.Bytes.Describe()
	info.Size = e.length
	return info, err
}
