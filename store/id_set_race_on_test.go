//go:build race

package store

// raceEnabled tells that the tests watch for data races.
const raceEnabled = true
