// Package conformance says by tests what is asked of the place where stores are, of their
// logs, and of the files in which a log may be kept.
//
// It imports the seam, package volume, and filelog for those files, and has no locks. Who
// implements the seam runs TestVolume and TestLog, and who has files for logs Test, too. Of
// logs it knows no more than the seam says.
package conformance
