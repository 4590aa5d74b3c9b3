// Package store is the storage engine of one RVF vector store: what others open, append
// to, search and verify. It puts the rooms together and holds what goes through several of
// them: status, verification and derivation.
//
// It imports all rooms of store but the catalog. It owns no locks.
package store
