// Package state holds what was committed to one store: snapshots, the head that follows
// its file, the walk through its segments, the checks of their content hashes, and the
// views of manifest, segments and audit chain.
//
// It reads and writes nothing but what it is asked to read. It imports volume, segments,
// lineage, and the small rooms beside it (idset, memory, shared, throttle).
//
// Its mutexes are those of a head, of a backing, of a line of files, of a table of
// checks and of the checker. None is held over I/O, nor while another is taken,
// but for that of the budget of memory under that of a head.
package state
