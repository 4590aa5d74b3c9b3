// Package throttle keeps work on disks to a share of the time, and to so many at once.
//
// It imports volume and shared. Its mutexes guard a few numbers; nothing is called while
// one is held.
package throttle
