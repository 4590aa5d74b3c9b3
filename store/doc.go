// Package store is the storage engine of one RVF vector store: what others open, append
// to, search and verify. It puts the rooms together and holds what goes through several of
// them: status, verification and derivation.
//
// It imports all rooms of store but the catalog, and of the volumes none: whoever opens a
// store says where it is. It owns no locks.
package store
