// Package rowstest checks, for tests, what package rows shows of a snapshot against the
// plainest way to say the same, visits all its vectors,
// and holds checks of them back.
//
// It imports rows and what is below, and has no locks.
package rowstest
