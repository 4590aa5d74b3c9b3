// Package lineage is the ground floor of rvffs: who a store is, whom it was
// derived from, and what is true of such a claim. It knows file identities,
// derivation types and records, domain profiles, the two hashes that name a
// parent, and the links of a witness chain; who descends from whom among many
// files (Forest); and the one verdict on a store's lineage, which all that speak
// of it give in the same words (Facts, Verdict). It does no I/O, holds no locks,
// imports nothing of ours, and believes no input: what it allocates is bounded by
// the number of files or bytes that it is given.
package lineage
