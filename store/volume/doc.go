// Package volume is the seam between the engine and where stores lie: a place that holds
// stores in folders, what the engine asks of their files, who asks, and the causes of
// failures by which callers tell them apart.
//
// It imports segments, for what stands in a log, and memory, for what reads are charged
// to. It has no locks. Package directory has stores in
// a directory of the operating system, package memory stores that tests break on purpose;
// what all must do package conformance says.
package volume
