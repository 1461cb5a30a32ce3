//go:build race

package mqtt

// raceSlowdown divides what tests do very often: the race detector is in use.
const raceSlowdown = 20
