// Package log changes the file of one store: sessions in which it is this process's turn,
// rounds of commits, what a manifest names, merges of small segments, and the replacing of
// the whole content. It knows bytes and segments; what vectors, metadata or images want of
// a commit they say by hooks.
//
// It imports state and the seam, package volume. It owns a log's turn to
// commit, which is held over I/O, and its mutex, under which no more is called
// than what tells whether who joins a session means its file: that takes the mutex of a
// line of files in state.
package log
