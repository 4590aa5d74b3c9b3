// Package stream is what streams into a store of every kind are: one that takes bytes until
// it ends, and the register of those that are open. It knows no kind: what a stream makes of
// its bytes is its Content.
//
// It imports state, for the file that a stream goes to. It owns the turn of each stream,
// which is held while the stream is at work, I/O and commits included, and the mutex of the
// register, under which nothing is locked, called or waited for.
package stream
