package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteText writes r for people.
func (r *Result) WriteText(w io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row(string(r.Mode), "%s, MQTT %s, QoS %d, %d bytes", r.URL, r.MQTT, r.QoS, r.Payload)
	if r.Receivers != "" {
		row("receivers", "%s", r.Receivers)
	}
	r.Connections.rows(row, r.Mode == Conn)
	if r.Sleepers != nil {
		r.Sleepers.rows(row)
	}
	if r.Messages != nil {
		r.Messages.rows(row, r)
	}
	if r.Broker != nil {
		r.Broker.rows(row, r)
	}
	row("generator", "%.2f of %d core(s)", r.Generator.Cores, r.Generator.Loops)
	_ = t.Flush() // into memory
	_, err := io.WriteString(w, b.String())
	return err
}

type rowFunc func(name, format string, args ...any)

func (c *Connections) rows(row rowFunc, all bool) {
	row("connections", "%d in %.2f s, %.0f/s", c.Attempted-c.Failed, c.Seconds, c.PerSecond)
	if all || c.Failed > 0 {
		row("connect latency", "%s", c.Latency)
		row("failures", "%d", c.Failed)
	}
	if c.First != "" {
		row("first failure", "%s", c.First)
	}
}

func (s *Messages) rows(row rowFunc, r *Result) {
	row("deliveries", "%.0f/s over %.2f s", s.DeliveriesPerSecond, r.Seconds)
	row("latency", "%s", s.Latency)
	if s.AckLatency != nil {
		row("PUBACK latency", "%s", *s.AckLatency)
	}
	if s.Lag != nil {
		row("generator lag", "%s", *s.Lag)
	}
	row("published", "%d, %d acknowledged, %d refused, %d unacknowledged", s.Published, s.Acknowledged, s.Refused, s.Unacknowledged)
	row("received", "%d of %d expected", s.Received, s.Expected)
	lost := "lost"
	if r.QoS > 0 {
		lost = "acknowledged but lost"
	}
	row(lost, "%d", s.Lost)
	row("duplicates", "%d", s.Duplicates)
	row("out of order", "%d", s.OutOfOrder)
	if s.Skipped > 0 {
		row("skipped", "%d messages not published in time: window full", s.Skipped)
	}
	if s.Stalls > 0 {
		row("stalls", "%d windows given up", s.Stalls)
	}
}

func (b *Broker) rows(row rowFunc, r *Result) {
	if r.Mode == Conn {
		row("broker memory", "%d B a connection (%.1f MB before, %.1f MB after; the kernel's part not included)",
			b.RSSPerConnection, float64(b.RSSBefore)/1e6, float64(b.RSSAfter)/1e6)
		row("broker CPU", "%.2f s while connecting", b.CPUSeconds)
		return
	}
	if r.Messages == nil { // sleepers that were not woken
		return
	}
	row("broker CPU", "%.2f µs a delivery, %.2f s, %.2f cores", b.CPUPerMessage, b.CPUSeconds, b.CPUSeconds/max(r.Seconds, 1e-9))
	row("broker memory", "%.1f MB before, %.1f MB after", float64(b.RSSBefore)/1e6, float64(b.RSSAfter)/1e6)
}

// String gives the percentiles.
func (l Latency) String() string {
	d := func(us float64) string {
		v := time.Duration(us * 1000)
		for _, unit := range []time.Duration{time.Second, time.Millisecond} {
			if v >= 10*unit {
				return v.Round(unit / 100).String()
			}
		}
		return v.Round(100 * time.Nanosecond).String()
	}
	return fmt.Sprintf("p50 %s, p99 %s, p99.9 %s, max %s (%d samples)", d(l.P50), d(l.P99), d(l.P999), d(l.Max), l.Samples)
}
