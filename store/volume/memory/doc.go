// Package memory has files for tests: they keep a log of every change, from which the
// states can be built that a crash may leave on a disk, and fail when they are told to.
//
// It imports the seam, package volume, alone. The lock of a Files is held during each
// operation, and while its Fail is asked.
package memory
