//go:build race

package integration

// raceEnabled tells that the tests, and so the program, watch for data races.
const raceEnabled = true
