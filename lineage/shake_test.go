package lineage

import "crypto/sha3"

// shake256 is what NewShake256 makes of bytes that are all there.
func shake256(data []byte) Hash { return Hash(sha3.SumSHAKE256(data, HashSize)) }
