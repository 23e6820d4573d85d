// Package journeys walks the stand as its users do: real processes, a real browser, no knowledge of the
// code inside. It has tests alone.
package journeys
