//go:build !race

package tee

const raceEnabled = 0
