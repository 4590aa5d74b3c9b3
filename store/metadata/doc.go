// Package metadata knows what the META segments of a store come to: records of vectors,
// as other programs state them. It finds out of which records the vectors are gone, and
// has them go with the commit or the compaction by which they went.
//
// It imports rows and state, and log for its say in a commit. It owns the turn of a table
// of records, which is held while metadata are read from the disk.
package metadata
