// Package memory has a volume for tests: it keeps a log of every change, from which the
// states can be built that a crash may leave on a disk, and fails when it is told to.
//
// It imports the seam, package volume, and filelog, whose files it has. The lock of a Files is held during each
// operation, and while its Fail is asked.
package memory
