// Package ingest brings vectors into a store and takes them out of it: it numbers them,
// writes their rows into segments, commits and deletes them, and says in each commit of
// the log which ids are stored. Streams of vectors and of ids to delete are its two kinds
// of stream.
//
// It imports log and what is below it. It owns the mutex of the numbers that a session
// hands out, under which the log is asked for its base, and that of an appender, under
// which nothing is called.
package ingest
