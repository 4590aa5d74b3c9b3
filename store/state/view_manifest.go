package state

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/memory"
)

// ManifestDescription is a manifest as manifest.json tells it.
type ManifestDescription struct {
	Epoch           uint32               `json:"epoch"`
	Dimension       uint16               `json:"dimension"`
	TotalVectors    uint64               `json:"total_vectors"`
	Metric          string               `json:"metric"`
	HardwareProfile uint8                `json:"hardware_profile"`
	Dialect         string               `json:"dialect"`
	SegmentID       uint64               `json:"segment_id"`
	Offset          int64                `json:"offset"`
	PayloadLength   uint64               `json:"payload_length"`
	Directory       []EntryDescription   `json:"directory"`
	Deleted         []uint64             `json:"deleted"`
	Identity        *IdentityDescription `json:"identity,omitempty"`
}

// EntryDescription is one segment that a manifest names.
type EntryDescription struct {
	SegmentID     uint64 `json:"segment_id"`
	Offset        int64  `json:"offset"`
	PayloadLength uint64 `json:"payload_length"`
	Type          string `json:"type"`
}

// IdentityDescription is a FileIdentity in readable form; ids and hashes are hex.
type IdentityDescription struct {
	FileID       string `json:"file_id"`
	ParentID     string `json:"parent_id"`
	ParentHash   string `json:"parent_hash"`
	LineageDepth uint32 `json:"lineage_depth"`
}

// DescribeIdentity puts an identity into readable form.
func DescribeIdentity(identity lineage.Identity) IdentityDescription {
	return IdentityDescription{
		FileID: identity.FileID.String(), ParentID: identity.ParentID.String(),
		ParentHash: identity.ParentHash.String(), LineageDepth: identity.Depth,
	}
}

// DescribeManifest puts the newest manifest into readable form.
func (s *Snapshot) DescribeManifest() ManifestDescription {
	manifest := s.state.Manifest
	described := ManifestDescription{
		Epoch: manifest.Epoch, Dimension: manifest.Dimension, TotalVectors: manifest.TotalVectors,
		Metric: manifest.Metric.String(), HardwareProfile: manifest.HardwareProfile, Dialect: s.Dialect().String(),
		SegmentID: s.state.Segment.ID, Offset: s.state.Segment.Offset, PayloadLength: s.state.Segment.PayloadLength,
		Directory: make([]EntryDescription, 0, len(manifest.Directory)),
		Deleted:   manifest.Deleted,
	}
	for _, entry := range manifest.Directory {
		described.Directory = append(described.Directory, DescribeEntry(entry))
	}
	if described.Deleted == nil {
		described.Deleted = []uint64{}
	}
	if identity, known := s.Identity(); known {
		described.Identity = new(DescribeIdentity(identity))
	}
	return described
}

// DescribeEntry puts a directory entry into readable form.
func DescribeEntry(entry segments.DirectoryEntry) EntryDescription {
	return EntryDescription{
		SegmentID: entry.SegmentID, Offset: entry.Offset,
		PayloadLength: entry.PayloadLength, Type: entry.Type.String(),
	}
}

// ManifestJSON is the newest manifest as a JSON document.
func (s *Snapshot) ManifestJSON(ctx context.Context) (View, error) {
	text, done, err := s.manifestText(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return textView{size: int64(len(text)), render: s.manifestText}, nil
}

// manifestText renders the newest manifest; the caller is done with it when it calls
// done.
func (s *Snapshot) manifestText(ctx context.Context) (text []byte, done func(), err error) {
	return s.cache.manifest.Get(ctx, s.source.memory, func(_ context.Context, charge *memory.Charge) ([]byte, error) {
		manifest := s.state.Manifest
		const fixed, entry, id = 4 << 10, 256, 32 // bytes, in the document as Go holds it and in the text
		err := charge.Set(fixed + 2*entry*int64(len(manifest.Directory)) + 2*id*int64(len(manifest.Deleted)))
		if err != nil {
			return nil, fmt.Errorf("manifest.json: %w", err)
		}
		text, err := json.MarshalIndent(s.DescribeManifest(), "", "  ")
		if err != nil {
			return nil, err
		}
		text = append(text, '\n')
		return text, charge.Set(int64(cap(text)))
	}, nil)
}

// textView is a text of which the size is known, and which is rendered when somebody
// opens it.
type textView struct {
	size   int64
	render func(context.Context) (text []byte, done func(), err error)
}

func (v textView) Size() int64 { return v.size }

func (v textView) Open(ctx context.Context) (Reader, error) {
	text, done, err := v.render(ctx)
	if err != nil {
		return nil, err
	}
	return &textReader{bytesReader: text, done: sync.OnceFunc(done)}, nil
}

type textReader struct {
	bytesReader
	done func()
}

func (r *textReader) Close() error {
	r.done()
	return nil
}
