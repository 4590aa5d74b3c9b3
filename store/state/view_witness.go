package state

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/volume"
)

// WitnessDescription is one entry of the audit chain as witness.jsonl tells it.
type WitnessDescription struct {
	SegmentID  uint64                 `json:"segment_id"`
	Offset     int64                  `json:"offset"`
	Kind       string                 `json:"kind"`
	Time       string                 `json:"time"`
	Action     string                 `json:"action"`
	Derivation *DerivationDescription `json:"derivation,omitempty"`
	Previous   string                 `json:"previous,omitempty"`
	Hash       string                 `json:"hash"`
	// Verdict is "start" for the first entry of a chain, "linked" when the
	// previous hash is that of the entry before, "broken" when it is not,
	// "damaged" when the entry contradicts its own content hash or cannot be read.
	Verdict string `json:"verdict"`
}

// DerivationDescription is a LineageRecord in readable form.
type DerivationDescription struct {
	FileID        string `json:"file_id"`
	ParentID      string `json:"parent_id"`
	ParentHash    string `json:"parent_hash"`
	Type          string `json:"type"`
	MutationCount uint32 `json:"mutation_count"`
	Text          string `json:"text"`
}

// eachWitness walks the whole file and judges every entry of the audit chain.
func (s *Snapshot) eachWitness(ctx context.Context, visit func(WitnessDescription) error) error {
	var previous lineage.Hash
	return s.With(ctx, Judging, func(reading *Reading) error {
		return reading.Walk(func(segment segments.Segment) error {
			if segment.Type != segments.TypeWitness {
				return nil
			}
			described, hash, err := reading.DescribeWitness(segment, previous)
			if err != nil {
				return err
			}
			previous = hash
			return visit(described)
		})
	})
}

// DescribeWitness judges one entry of the audit chain, of which previous is the hash of the
// entry before.
func (r *Reading) DescribeWitness(segment segments.Segment, previous lineage.Hash) (WitnessDescription, lineage.Hash, error) {
	described := WitnessDescription{SegmentID: segment.ID, Offset: segment.Offset, Verdict: "damaged"}
	if segment.PayloadLength > maxSmallPayload {
		return described, lineage.Hash{}, nil
	}
	payload := make([]byte, segment.PayloadLength)
	if err := volume.ReadFull(r, payload, segment.PayloadOffset()); err != nil {
		return described, lineage.Hash{}, err
	}
	hash := lineage.WitnessHash(payload)
	described.Hash = hash.String()
	witness, err := segments.ParseWitness(payload)
	if err != nil {
		return described, hash, nil
	}
	described.Kind = segments.WitnessKindName(witness.Kind)
	described.Time = time.Unix(0, int64(witness.Timestamp)).UTC().Format(time.RFC3339Nano)
	described.Previous = witness.Previous.String()
	described.describeAction(witness)
	verdict, err := segments.VerifyPayload(segment.Header, bytes.NewReader(payload))
	switch {
	case err != nil:
		return described, hash, err
	case verdict == segments.HashMismatch:
	case witness.Previous.IsZero():
		described.Verdict = "start"
	case witness.Previous == previous:
		described.Verdict = "linked"
	default:
		described.Verdict = "broken"
	}
	return described, hash, nil
}

func (w *WitnessDescription) describeAction(witness segments.Witness) {
	record, err := lineage.ParseRecord(witness.Action)
	if witness.Kind == segments.WitnessLineage && err == nil {
		w.Action = "derive"
		w.Derivation = &DerivationDescription{
			FileID: record.FileID.String(), ParentID: record.ParentID.String(), ParentHash: record.ParentHash.String(),
			Type: record.Type.String(), MutationCount: record.MutationCount, Text: record.Text,
		}
		return
	}
	if utf8.Valid(witness.Action) {
		w.Action = string(witness.Action)
	} else {
		w.Action = fmt.Sprintf("%x", witness.Action)
	}
}

// Witness is the audit chain, one JSON object a line.
func (s *Snapshot) Witness(ctx context.Context) (View, error) {
	text, done, err := s.witnessText(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return textView{size: int64(len(text)), render: s.witnessText}, nil
}

// witnessText renders the audit chain; the caller is done with it when it calls done.
func (s *Snapshot) witnessText(ctx context.Context) (text []byte, done func(), err error) {
	return s.cache.witness.Get(ctx, s.source.memory, func(ctx context.Context, charge *memory.Charge) ([]byte, error) {
		var text []byte
		err := s.eachWitness(ctx, func(entry WitnessDescription) error {
			line, err := json.Marshal(entry)
			if err != nil {
				return err
			}
			if needed := len(text) + len(line) + 1; needed > cap(text) {
				larger := needed + needed/4
				if err := charge.Set(int64(cap(text) + larger)); err != nil {
					return fmt.Errorf("witness.jsonl: %w", err)
				}
				text = append(make([]byte, 0, larger), text...)
			}
			text = append(append(text, line...), '\n')
			return nil
		})
		charge.Force(int64(cap(text)))
		return text, err
	}, nil)
}
