// Package incoming is drop folders: files that any program makes in any order of its
// writes, under any name, and renames as it likes. Each of them is taken in whole when it
// is closed, or when it gets its final name, and leaves a receipt.
//
// What it means to take a file in is the business of a Destination. It imports spool,
// where bytes wait until then, and memory, shared and volume. A file has a turn, held
// over the I/O of its bytes and while it is taken in; a folder has a mutex for its names,
// under which nothing but the budget of memory is locked.
package incoming
