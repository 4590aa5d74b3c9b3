// Package filelog keeps the log of one store in one file, and everything that only a
// file needs: the lock beside it and its own, zeroed headers, masked bytes, the two syncs
// of a commit, room taken and given back at the end, a new file that takes the old one's
// place with what is not committed yet, and names for what is in the making.
//
// It knows no directory: it asks for files by their names (FileSystem), and a volume lends
// them. It imports volume, segments and shared. It owns the writer lock of a store and the
// lock of its file, and mutexes of a log, of each file of it, of a session and of syncs that
// come late, under which nothing else is locked.
package filelog
