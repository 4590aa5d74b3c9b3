package state

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/memory"
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
	Verdict    AuditVerdict           `json:"verdict"`
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
	charge := s.source.memory.Charge()
	defer charge.Free()
	return s.With(ctx, Judging, func(reading *Reading) error {
		chain := NewAuditChain(reading, &charge)
		return reading.Walk(func(segment segments.Segment) error {
			if segment.Type != segments.TypeWitness {
				return nil
			}
			described, err := chain.Next(segment)
			if err != nil {
				return err
			}
			return visit(described)
		})
	})
}

// describe says in words what an entry holds.
func (w *WitnessDescription) describe(witness segments.Witness) {
	w.Kind = segments.WitnessKindName(witness.Kind)
	w.Time = time.Unix(0, int64(witness.Timestamp)).UTC().Format(time.RFC3339Nano)
	w.Previous = witness.Previous.String()
	w.describeAction(witness)
}

func (w *WitnessDescription) describeAction(witness segments.Witness) {
	switch witness.Kind {
	case segments.WitnessLineage:
		if record, err := lineage.ParseRecord(witness.Action); err == nil {
			w.Action = "derive"
			w.Derivation = &DerivationDescription{
				FileID: record.FileID.String(), ParentID: record.ParentID.String(), ParentHash: record.ParentHash.String(),
				Type: record.Type.String(), MutationCount: record.MutationCount, Text: record.Text,
			}
			return
		}
	case segments.WitnessDropped:
		if dropped, err := lineage.ParseDropped(witness.Action); err == nil {
			w.Action = dropped.String()
			return
		}
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
