// Package idset holds sets of vector ids: runs of consecutive ids in blocks, so that
// neither many ids in a row nor scattered ones take much memory.
//
// It imports nothing of this project and has no locks: a set is for one goroutine at a
// time, or for many that only read.
package idset
