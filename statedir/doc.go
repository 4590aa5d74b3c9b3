// Package statedir keeps what a mount has to say beyond its end: its log, what came of
// streams, and the trace of a crash. Each mounted directory has a folder of its own for
// that, in the state directory of the user or the service; what lies there is bounded, and
// several mounts of one directory may write to it at once.
//
// The directory may be root's, and those above it somebody else's: place.go takes no place
// that anybody but this user and root could change, and no operation follows a symbolic
// link in it.
//
// It imports nothing of this project. It owns the mutex of its queue, under which nothing
// is called; a lock on a file in each folder says that it is in use.
package statedir
