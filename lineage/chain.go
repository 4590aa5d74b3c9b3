package lineage

// WitnessHash returns the hash by which the next witness entry names this
// one: the fold over the entry's payload bytes.
func WitnessHash(payload []byte) Hash { return Fold(payload) }

// ChainStatus is the verdict on one entry of a witness chain.
type ChainStatus uint8

const (
	// ChainStart: the entry's previous hash is zero. It is the first one, or
	// one that begins a new chain, as every compaction does and every open
	// by the reference runtime.
	ChainStart ChainStatus = iota
	// ChainLinked: the previous hash is that of the entry before.
	ChainLinked
	// ChainBroken: the previous hash is that of no entry known here.
	ChainBroken
)

// String returns "start", "linked" or "broken".
func (s ChainStatus) String() string {
	switch s {
	case ChainStart:
		return "start"
	case ChainLinked:
		return "linked"
	default:
		return "broken"
	}
}

// Chain walks the entries of a witness chain in file order. The zero value
// stands before the first one.
type Chain struct {
	last  Hash
	begun bool
}

// Next judges the entry with the given payload, whose previous hash is
// previous, and goes on to it.
func (c *Chain) Next(payload []byte, previous Hash) ChainStatus {
	status := ChainBroken
	switch {
	case previous.IsZero():
		status = ChainStart
	case c.begun && previous == c.last:
		status = ChainLinked
	}
	c.last, c.begun = WitnessHash(payload), true
	return status
}

// Last returns the hash that the next entry has to name: zero before the
// first one.
func (c *Chain) Last() Hash { return c.last }
