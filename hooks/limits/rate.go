package limits

import (
	"errors"
	"time"
)

// RateConfig says how fast a client may publish. What is 0 has no limit.
type RateConfig struct {
	Messages     float64 // a second
	MessageBurst int     // at once, after a time of silence. 0 is Messages, 1 at least
	Bytes        float64 // of packets, a second
	ByteBurst    int     // at once. 0 is Bytes, 1 at least
}

// Rate is the limits of many clients, each of which has a Meter. It does not change. A nil Rate has no limits.
type Rate struct{ messages, bytes bucket }

// bucket is a token bucket as a rule: GCRA. Its level is a single time, when it will be full again. Fractions of a nanosecond are
// in the client's favor.
type bucket struct {
	each  float64       // nanoseconds for one; 0 is no limit
	burst time.Duration // for all that may come at once
}

// maxPause is the longest pause: a debt beyond it is forgiven.
const maxPause = time.Hour

// NewRate returns a Rate. The error is for numbers that are negative, or no numbers.
func NewRate(cfg RateConfig) (*Rate, error) {
	messages, err1 := newBucket(cfg.Messages, cfg.MessageBurst)
	bytes, err2 := newBucket(cfg.Bytes, cfg.ByteBurst)
	return &Rate{messages, bytes}, errors.Join(err1, err2)
}

var errRate = errors.New("a rate must be a number from 0 to 1e9 a second, and its burst not negative")

func newBucket(perSecond float64, burst int) (bucket, error) {
	if !(perSecond >= 0 && perSecond <= 1e9) || burst < 0 {
		return bucket{}, errRate
	}
	if perSecond == 0 {
		return bucket{}, nil
	}
	size := float64(burst)
	if burst == 0 {
		size = max(perSecond, 1)
	}
	// Decades are for ever, and sums of a few do not overflow.
	const decades = 30 * 365 * 24 * float64(time.Hour)
	each := min(float64(time.Second)/perSecond, decades)
	return bucket{each: each, burst: time.Duration(min(size*each, decades))}, nil
}

// Meter is what a Rate knows of one client, in 16 bytes. The zero Meter is of one that has been silent. It has one user at a time.
type Meter struct {
	messages, bytes time.Duration // when each bucket will be full, by the caller's clock
}

// Take counts messages that a client has published, and their bytes, and returns for how long not to read
// from it; 0 is not at all. now is the time since some moment. The messages have come, so they are to be taken in any
// case: the pause makes up for them.
func (r *Rate) Take(m *Meter, now time.Duration, messages, bytes int) (pause time.Duration) {
	if r == nil {
		return 0
	}
	return max(r.messages.take(&m.messages, now, messages), r.bytes.take(&m.bytes, now, bytes))
}

// take takes n from a bucket that will be full at *full, and returns when that is allowed, from now on.
func (b bucket) take(full *time.Duration, now time.Duration, n int) (wait time.Duration) {
	if b.each == 0 || n <= 0 {
		return 0
	}
	most := b.burst + maxPause
	cost := time.Duration(min(float64(n)*b.each, float64(most)))
	*full = min(max(*full, now)+cost, now+most)
	return max(*full-now-b.burst, 0)
}

// has tells whether one can be taken at once.
func (b bucket) has(full, now time.Duration) bool {
	return b.each == 0 || max(full, now)+time.Duration(b.each) <= now+b.burst
}
