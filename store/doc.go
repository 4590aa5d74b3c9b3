// Package store is the storage engine of one RVF vector store: what others open, append
// to, search and verify. It puts the rooms together and holds what goes through several of
// them: status, verification, derivation, and the recovery of what was torn.
//
// It imports all rooms of store but the catalog. It owns the mutex of what is known of
// kept tails, under which nothing is called.
package store
