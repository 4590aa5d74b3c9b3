// Package search finds the vectors nearest to others in a snapshot, by looking at all of
// them: it reads what queries say, scans the rows on all cores and puts answers together.
//
// It imports rows and state, and nearest for the comparing itself. It has no locks: what
// the workers of one search share are atomic numbers.
package search
