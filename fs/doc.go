// Package fs shows a catalog of vector stores as a FUSE file system.
//
// Each kind of node has its own small file: folder.go (plain folders),
// store.go (the folder of a store), view.go (read-only files over committed
// bytes), viewfolder.go (folders of such files), live.go (text about the present
// moment), log.go (what grows and can be followed), inlet.go and stream.go (files that take vectors in), embed.go and draft.go
// (images that can be replaced), link.go and control.go.
// The nodes know no bytes of the format and open no files: they ask the catalog,
// and errno.go is the one place where its errors become error numbers. Beside the
// catalog it imports of the engine what it shows (compute, journal, search, state, vecio), the seam's
// words (volume), and what bounds and shares what it holds (memory, shared). Its turns and mutexes are those of
// open streams and queries, of views that are open, and of callers who left.
//
// Requests that only look pass patience.go first, which lets callers leave who are
// killed while a disk does not answer.
//
// Two rules keep the kernel's caches right. A kernel inode never changes its
// bytes: a view belongs to one committed state, and the next state is a new
// inode of the same number (below an overlay file system it may be the same inode, with
// new bytes while nobody has it open: steady.go). And a name expires within a second, or at once when
// the change was our own, which expiry.go sees to.
package fs
