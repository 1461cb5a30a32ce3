// Package overload says when a node has more to do than it can, before the kernel or its clients do.
//
//   - [Machine] makes a [Level] of readings: up soon, down slowly, one level at a time. It is pure.
//   - [Memory] and [Commits] are two of the readings: memory that cannot be reclaimed as a share of what the process
//     may have, and the time of the store's commits. The third, how late the event loops are, is the caller's.
//   - [Monitor] takes the readings once a second, on one goroutine, and tells the Level.
//
// What is done at each Level is the caller's too: see docs/operations.md.
package overload
