package lineage

// WitnessHash returns the hash by which the next witness entry names this
// one: the fold over the entry's payload bytes.
func WitnessHash(payload []byte) Hash { return Fold(payload) }
