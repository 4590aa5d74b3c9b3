// Package memory bounds what callers can make this process hold: one budget for all
// of it, in bytes.
//
// What somebody needs is charged before it is allocated. Where the budget is used
// up, things that are kept only because somebody may want them again go first, the
// one used longest ago before the others. If that is not enough, whoever can wait
// does, and whoever cannot is refused.
//
// It imports shared alone. It owns the mutex of the budget, under which nothing is
// called, and that of each thing that is kept.
package memory
