package state

import (
	"bytes"
	"errors"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/volume"
)

// maxWitnessPayload bounds, in bytes, what is read at once of an entry of the audit chain:
// the longest is a record of dropped states.
const maxWitnessPayload = uint64(lineage.MaxDroppedSize + 64)

// AuditVerdict says how an entry of the audit chain follows those before it.
type AuditVerdict string

// The verdicts.
const (
	// AuditStart: it follows none. The reference runtime begins anew whenever it opens a
	// file and whenever it has compacted one.
	AuditStart AuditVerdict = "start"
	// AuditLinked: it follows the entry before it.
	AuditLinked AuditVerdict = "linked"
	// AuditForked: it follows one further up, as when two programs have written at the
	// same time.
	AuditForked AuditVerdict = "forked"
	// AuditBroken: it follows an entry that is not there.
	AuditBroken AuditVerdict = "broken"
	// AuditDamaged: it contradicts its own content hash or cannot be read.
	AuditDamaged AuditVerdict = "damaged"
)

// AuditChain judges the entries of a file's audit chain, which it is given in the order of
// the file. There is one chain for a file's life: rewrites take it along.
type AuditChain struct {
	in     *Reading
	charge *memory.Charge
	last   lineage.Hash
	before map[lineage.Hash]struct{} // all entries up to the last
}

// NewAuditChain begins before the first entry. What the chain keeps of each is charged.
func NewAuditChain(in *Reading, charge *memory.Charge) *AuditChain {
	return &AuditChain{in: in, charge: charge, before: map[lineage.Hash]struct{}{}}
}

// Next judges the next entry.
func (c *AuditChain) Next(segment segments.Segment) (WitnessDescription, error) {
	described := WitnessDescription{SegmentID: segment.ID, Offset: segment.Offset, Verdict: AuditDamaged}
	payload, giveBack, err := readWitness(c.in, segment, c.charge)
	if err != nil {
		return described, err
	}
	defer giveBack()
	var hash lineage.Hash
	if payload == nil {
		hash, err = witnessHash(c.in, segment)
	} else {
		hash = lineage.WitnessHash(payload)
		err = c.judge(&described, segment, payload)
	}
	described.Hash = hash.String()
	return described, errors.Join(err, c.add(hash))
}

// judge says what there is to say of an entry's payload.
func (c *AuditChain) judge(described *WitnessDescription, segment segments.Segment, payload []byte) error {
	witness, err := segments.ParseWitness(payload)
	if err != nil {
		return nil // damaged
	}
	described.describe(witness)
	verdict, err := segments.VerifyPayload(segment.Header, bytes.NewReader(payload))
	if err == nil && verdict != segments.HashMismatch {
		described.Verdict = c.follows(witness.Previous)
	}
	return err
}

// follows judges the link of an entry to those before it.
func (c *AuditChain) follows(previous lineage.Hash) AuditVerdict {
	switch _, known := c.before[previous]; {
	case previous.IsZero():
		return AuditStart
	case previous == c.last:
		return AuditLinked
	case known:
		return AuditForked
	}
	return AuditBroken
}

// add takes an entry into the chain.
func (c *AuditChain) add(hash lineage.Hash) error {
	const entry, step = 2 * lineage.HashSize, 1024
	if len(c.before)%step == 0 {
		if err := c.charge.Set(c.charge.Held() + step*entry); err != nil {
			return err
		}
	}
	c.last = hash
	c.before[hash] = struct{}{}
	return nil
}

// readWitness reads an entry of the audit chain whole; nil when it is too long to be one.
// What the bytes take, and what they become, is charged until it is given back.
func readWitness(in *Reading, segment segments.Segment, charge *memory.Charge) (payload []byte, giveBack func(), err error) {
	if segment.PayloadLength > maxWitnessPayload {
		return nil, func() {}, nil
	}
	const became = 3
	held := charge.Held()
	if err := charge.Set(held + (1+became)*int64(segment.PayloadLength)); err != nil {
		return nil, nil, err
	}
	payload = make([]byte, segment.PayloadLength)
	giveBack = func() { charge.Force(held) }
	if err := volume.ReadFull(in, payload, segment.PayloadOffset()); err != nil {
		giveBack()
		return nil, nil, err
	}
	return payload, giveBack, nil
}

// witnessHash is the hash of an entry by which the next one names it, however long it is.
func witnessHash(in *Reading, segment segments.Segment) (lineage.Hash, error) {
	fold := lineage.NewFold()
	err := volume.CopyRange(fold, in, segment.PayloadOffset(), int64(segment.PayloadLength))
	return lineage.Hash(fold.Sum(nil)), err
}
