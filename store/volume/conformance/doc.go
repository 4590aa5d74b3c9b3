// Package conformance says by tests what is asked of the place where stores are, of their
// logs, and of the files in which a log may be kept.
//
// It imports the seam, package volume, and filelog for those files, and has no locks. Who
// implements the seam runs what it has of it.
package conformance
