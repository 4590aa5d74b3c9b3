// Package search finds the vectors nearest to others in a snapshot, by looking at all of
// them: it reads what queries say, scans the rows on all cores and puts answers together.
//
// It imports rows and state, nearest for the comparing itself, vecio for what is written
// as vectors, and throttle, whose lanes a search waits for. It has no locks of its own: what
// the workers of one search share are atomic numbers.
package search
