// Package conformance is what every bucket must do that stores lie in, as tests: on the one
// in memory, and on servers.
//
// It imports objects, and holds no lock.
package conformance
