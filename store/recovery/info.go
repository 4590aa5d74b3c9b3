package recovery

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// What is kept of a tail is a segment of a vendor's type that tells where it comes from,
// and then the bytes as they stood in the store.

// tailInfoType is the segment type of what stands before the bytes.
const tailInfoType segments.Type = 0xF8

// tailInfo is what a kept tail says of itself: a line of JSON, and then, for ids that
// both the tail and the store had vectors of, what the store's were.
type tailInfo struct {
	Version   int    `json:"rvffs_tail"`
	Store     string `json:"store"`
	FileID    string `json:"file_id,omitempty"`
	Time      string `json:"time"`
	Dimension int    `json:"dimension"`
	Metric    string `json:"metric"`
	Tail
	// Copies are the places, in the store's file, of segments that hold what the
	// store had anyway, as a merge of small segments does.
	Copies []int64 `json:"copies,omitempty"`
	// Images are the content hashes of the store's images.
	Images []string `json:"images,omitempty"`
	// Before is the number of ids with their digests; -1 when they were too many.
	Before int `json:"before"`
	before []idDigest
}

// had reports whether the store had an image when the tail was cut off.
func (i *tailInfo) had(image string) bool { return slices.Contains(i.Images, image) }

// imageMark is how a kept tail tells images.
func imageMark(header segments.Header) string {
	return fmt.Sprintf("%s:%d:%x", header.Type, header.PayloadLength, header.ContentHash)
}

// tailVersion is the version of the form above.
const tailVersion = 1

// idDigest is an id and the digest of the vector that it had.
type idDigest struct{ id, digest uint64 }

// idDigestSize is the length in bytes of one in a file.
const idDigestSize = 16

// maxTailInfo bounds what is read of a kept tail at once.
const maxTailInfo = 1<<20 + maxBefore*idDigestSize

// maxBefore is for how many ids it is noted what the store had before.
const maxBefore = 1 << 20

// encode makes the segment before the bytes.
func (i *tailInfo) encode() ([]byte, error) {
	line, err := json.Marshal(i)
	if err != nil {
		return nil, err
	}
	payload := append(line, '\n')
	for _, before := range i.before {
		payload = binary.LittleEndian.AppendUint64(payload, before.id)
		payload = binary.LittleEndian.AppendUint64(payload, before.digest)
	}
	header := segments.Header{
		Version: segments.HeaderVersion, Type: tailInfoType, ID: 1,
		PayloadLength: uint64(len(payload)), ContentHash: segments.ContentHash(payload),
	}
	encoded := header.Encode()
	return append(encoded[:], payload...), nil
}

// readTailInfo reads what a kept tail says of itself, and where its bytes begin.
func readTailInfo(file volume.Bytes) (info tailInfo, start int64, err error) {
	var head [segments.HeaderSize]byte
	if err := volume.ReadFull(file, head[:], 0); err != nil {
		return info, 0, err
	}
	header, err := segments.ParseHeader(head[:])
	if err != nil || header.Type != tailInfoType || header.PayloadLength > maxTailInfo {
		return info, 0, fmt.Errorf("%w: it does not begin as a kept tail does", volume.ErrCorrupt)
	}
	payload := make([]byte, header.PayloadLength)
	if err := volume.ReadFull(file, payload, segments.HeaderSize); err != nil {
		return info, 0, err
	}
	check := segments.NewPayloadCheck(header)
	_, _ = check.Write(payload)
	line, digests, _ := bytes.Cut(payload, []byte("\n"))
	if err = json.Unmarshal(line, &info); err == nil && (check.Verdict() != segments.HashMatch || info.Version != tailVersion ||
		info.Before > 0 && len(digests) < info.Before*idDigestSize) {
		err = errors.New("not what it was")
	}
	if err != nil {
		return info, 0, fmt.Errorf("%w: what it says of itself: %w", volume.ErrCorrupt, err)
	}
	for i := range max(info.Before, 0) {
		info.before = append(info.before, idDigest{
			binary.LittleEndian.Uint64(digests[i*idDigestSize:]), binary.LittleEndian.Uint64(digests[i*idDigestSize+8:]),
		})
	}
	return info, segments.HeaderSize + int64(header.PayloadLength), nil
}

// Kept lists the tails that are kept beside the store, in the order in which they
// were cut off.
func (t *Tails) Kept(ctx context.Context) ([]Tail, error) {
	tails, err := t.All(ctx)
	return slices.DeleteFunc(tails, Tail.remembers), err
}

// All is Kept with those of which nothing could be brought back, and which only remember that
// a state is lost until a commit has told of it.
func (t *Tails) All(ctx context.Context) ([]Tail, error) {
	if t.remnants == nil {
		return nil, nil
	}
	names, err := t.remnants.Remnants(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for tails of store %q: %w", t.env.File.Name(), err)
	}
	return t.readTails(ctx, names)
}

// readTails reads what those of the named files say, all in the store's folder, that
// are kept tails of it.
func (t *Tails) readTails(ctx context.Context, names []string) (tails []Tail, err error) {
	if t.remnants == nil {
		return nil, nil
	}
	if names = t.remnants.OwnRemnants(names); len(names) == 0 {
		return nil, nil
	}
	newest, err := t.env.Head.Look(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for tails of store %q: %w", t.env.File.Name(), err)
	}
	for _, name := range names {
		tail, err := t.readTail(ctx, newest, name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, volume.ErrStrangeRemnant) {
			continue
		}
		// The end of ctx tells nothing of the file.
		if errors.Is(err, volume.ErrStale) || err != nil && ctx.Err() != nil {
			return nil, fmt.Errorf("look for tails of store %q: %w", t.env.File.Name(), err)
		}
		if err != nil {
			tail = Tail{Problem: err.Error()}
		}
		tail.File, tail.Kept = name, true
		tails = append(tails, tail)
	}
	slices.SortFunc(tails, func(a, b Tail) int {
		return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(len(a.File), len(b.File)), cmp.Compare(a.File, b.File))
	})
	return tails, nil
}

// openTail opens a kept tail of a store and reads what it says of itself, and where its
// bytes begin. Reads of it end with ctx. It fails with volume.ErrStrangeRemnant when the file does not count.
func (t *Tails) openTail(ctx context.Context, of *state.Snapshot, name string) (file volume.Bytes, info tailInfo, start int64, err error) {
	if t.remnants == nil {
		return nil, info, 0, errNeverTorn
	}
	if file, err = t.remnants.OpenRemnant(ctx, name); err != nil {
		return nil, info, 0, err
	}
	file = volume.Watch(ctx, file)
	info, start, err = readTailInfo(file)
	if err == nil {
		err = info.checkStore(storeIdentity(of))
	}
	if err != nil {
		return nil, info, 0, errors.Join(err, file.Close())
	}
	return file, info, start, nil
}

// readTail is openTail for what the tail says of itself alone.
func (t *Tails) readTail(ctx context.Context, of *state.Snapshot, name string) (Tail, error) {
	file, info, _, err := t.openTail(ctx, of, name)
	if err != nil {
		return Tail{}, err
	}
	t.known.noteLost(info.LostEpoch)
	return info.Tail, file.Close()
}

// checkStore makes sure that a tail is one of the store with an identity, where both have
// one.
func (i *tailInfo) checkStore(identity string) error {
	if identity != "" && i.FileID != "" && i.FileID != identity {
		return fmt.Errorf("%w: it is of the store %s, and this one is %s", volume.ErrStrangeRemnant, i.FileID, identity)
	}
	return nil
}

// HighestID is the highest id of what is kept beside the store; false when nothing is. It
// is looked for once, and whenever this process has kept something more.
func (t *Tails) HighestID(ctx context.Context) (uint64, bool, error) {
	known := t.known.highest()
	if known == nil {
		tails, err := t.All(ctx)
		if err != nil {
			return 0, false, err
		}
		known = &highestKept{}
		for _, tail := range tails {
			if tail.HighestID != nil {
				known.id, known.some = max(known.id, *tail.HighestID), true
			}
		}
		t.known.noteHighest(known)
	}
	return known.id, known.some, nil
}

// highestKept is the highest id of the kept tails, if they have any.
type highestKept struct {
	id   uint64
	some bool
}

// storeIdentity is the id by which a tail knows its store.
func storeIdentity(s *state.Snapshot) string {
	identity, known := s.Identity()
	if !known {
		return ""
	}
	return identity.FileID.String()
}
