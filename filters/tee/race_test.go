//go:build race

package tee

// raceEnabled is 1 where the race detector watches the tests.
const raceEnabled = 1
