// Package bucket has stores in a bucket of objects (package objects), as one store object
// each, which is replaced as a whole on condition that it still is the known one, and extents,
// which never change.
//
// It imports the seam, package volume, segments, shared, and metered, which counts. Its locks are the mutexes of a
// Log, a Generation and a session, of what is kept of blocks and of names, and of what is known
// of a server that does not answer; none is held over a request, and nothing is locked under
// them.
package bucket
