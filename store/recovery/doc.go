// Package recovery looks after what somebody wrote to a store and no manifest names: the
// tail behind the newest one, which a writer keeps beside the store before he cuts it off,
// and what of it is brought back, or let go. It also mends damaged headers, and makes a
// store again of a file in which no manifest is left.
//
// It imports log and ingest, through which all comes back, compute for what an image is,
// rows, and what is below them. Only of a log that can be torn (volume.Remnants) it finds
// any tails. It owns the mutex of what is known of kept tails, under which nothing is called.
package recovery
