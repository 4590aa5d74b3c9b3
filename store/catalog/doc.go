// Package catalog shows the stores of a volume as a tree in which derived stores
// stand in their parents' folders.
//
// It knows names, identities and who descends from whom, and opens a store only
// when somebody touches it. What stands in a store is the business of package
// store. It imports store and the rooms of it, and of volumes the seam alone: what
// kind one is it does not know.
//
// # Locks
//
// Two kinds of lock stand in a fixed order; who holds one may only take those that
// come after it.
//
// Turns may be held over I/O, and who waits for one can give up:
//
//  1. a store's turn to open its engine, then the engine's own: its session and
//     the locks of its file;
//  2. the catalog's turn to change the tree (Catalog.naming). Whoever only looks
//     does not wait for it once there is a tree.
//
// Mutexes are never held over I/O, nor while anybody is waited for:
//
//  3. those of a store, of its log and neighbors, of the stores that are open, of
//     what several users share;
//  4. the catalog's (Catalog.mu), which guards the tree and the places of all
//     folders and stores, so that both change in one moment. Nothing is locked
//     under it.
package catalog
