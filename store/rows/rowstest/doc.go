// Package rowstest checks, for tests, what package rows shows of a snapshot against the
// plainest way to say the same, and visits all its vectors.
//
// It imports rows and what is below, and has no locks.
package rowstest
