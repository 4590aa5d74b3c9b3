//go:build race

package idset

// raceEnabled tells that the tests watch for data races.
const raceEnabled = true
