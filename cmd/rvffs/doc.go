// Command rvffs mounts a directory of vector stores as a file system, and works
// on such stores.
//
// It imports all rooms, and is the only one that knows what kind of volume it opens. It
// owns the mutex of the newest lines of the log.
package main
