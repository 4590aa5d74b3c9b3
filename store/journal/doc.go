// Package journal holds the newest lines of a log in memory, at positions that last, so
// that whoever follows the log finds each new line once, whatever is forgotten before it.
//
// It imports nothing of this project. It owns the mutex of each log, under which nothing
// is called.
package journal
