//go:build !race

package mqtt

// raceSlowdown divides what tests do very often, with the race detector only.
const raceSlowdown = 1
