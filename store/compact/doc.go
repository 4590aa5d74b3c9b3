// Package compact rewrites a store without its dead bytes, beside streams that go on: when
// that pays, what is copied, how the new file runs after those who write, and how it takes
// the old one's place.
//
// It imports log for that last step, rows and metadata for what is left of both,
// compute for what an image is, and what is below them. It owns the turn of a compaction,
// which is held over I/O for as long as that takes and is part of a session of the log,
// and two mutexes under which nothing else is locked: whether one runs or is due, and the
// error of writes that are under way.
package compact
