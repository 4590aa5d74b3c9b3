// Package lineage is the ground floor of rvffs: who a store is, whom it was
// derived from, and how such a claim is checked. It knows file identities,
// derivation types and records, domain profiles, the two hashes that name a
// parent, and the links of a witness chain. It does no I/O and allocates
// nothing whose size an input could choose.
package lineage
