// Package compute is the images that a store carries besides its vectors, kernels and
// other programs, each in a segment of its own: embedding them, by a call or by a stream
// of bytes, finding them, and their views, decompressed where they are not stored as
// they are.
//
// It imports log, state and stream, and knows no vectors: what it needs of a store is its
// Environment. It owns the mutexes of what is remembered of images, under which nothing
// is called.
package compute
