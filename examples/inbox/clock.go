package inbox

import (
	"sync/atomic"
	"time"
)

// Clock is the stand's clock: real time, and what scripts added to it. It never goes back.
type Clock struct{ ahead atomic.Int64 }

// NewClock makes a clock that is ahead of real time by d.
func NewClock(d time.Duration) *Clock {
	c := &Clock{}
	c.ahead.Store(int64(d))
	return c
}

// Now is the time on the stand.
func (c *Clock) Now() time.Time { return time.Now().Add(c.Ahead()) }

// Ahead is how far the clock was advanced.
func (c *Clock) Ahead() time.Duration { return time.Duration(c.ahead.Load()) }

// Advance moves the clock forward by d; a negative d does nothing.
func (c *Clock) Advance(d time.Duration) {
	if d > 0 {
		c.ahead.Add(int64(d))
	}
}
