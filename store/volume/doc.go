// Package volume is the seam between the engine and where stores lie: what it asks of
// files, and the causes of failures by which callers tell them apart.
//
// It imports nothing of this project and has no locks. Package directory reaches files
// of the operating system, package memory files that tests break on purpose.
package volume
