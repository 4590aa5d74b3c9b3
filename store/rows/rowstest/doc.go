// Package rowstest checks, for tests, what package rows shows of a snapshot against the
// plainest way to say the same.
//
// It imports rows and what is below, and has no locks.
package rowstest
