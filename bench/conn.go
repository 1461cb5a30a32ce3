package bench

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// ErrConnections means that connections have failed in Conn.
var ErrConnections = errors.New("connections failed")

// runConn connects clients with a subscription each and watches the broker's memory.
func (f *fleet) runConn(r *Result) error {
	f.tolerant = true
	clients := make([]*client, f.opts.Clients)
	for i := range clients {
		c := f.client(i, strconv.Itoa(i))
		c.speak(f.opts.URL, f.topic(strconv.Itoa(i)))
		clients[i] = c
	}
	start, err := f.begin()
	if err != nil {
		return err
	}
	if err := f.join(r, clients); err != nil {
		return err
	}
	end, err := f.read(f.ctx, nil)
	if err != nil {
		return err
	}
	u, err := readUsage(f.opts.PIDs)
	if err != nil {
		return err
	}
	r.Seconds = r.Connections.Seconds
	r.Generator.CPUSeconds = (end.own - start.own).Seconds()
	r.Generator.Cores = r.Generator.CPUSeconds / r.Seconds
	if err := f.settle(r, (u.cpu - start.broker.cpu).Seconds()); err != nil {
		return err
	}
	c := &r.Connections
	c.Failed = int(f.failures.Load())
	if c.Failed == 0 {
		return nil
	}
	c.First = (*f.first.Load()).Error()
	return fmt.Errorf("%d of %d %w; the first: %s", c.Failed, c.Attempted, ErrConnections, c.First)
}

// settle watches the broker's memory while the connections are idle. What
// counts is the median of the last third of the time, when the broker has given
// back what it took for the handshakes.
func (f *fleet) settle(r *Result, cpu float64) error {
	var samples []int64
	sample := func() error {
		u, err := readUsage(f.opts.PIDs)
		samples = append(samples, u.rss)
		return err
	}
	if err := f.pause("settle", f.opts.Settle, sample); err != nil {
		return err
	}
	if r.Broker == nil {
		return nil
	}
	if err := sample(); err != nil {
		return err
	}
	b := r.Broker
	b.CPUSeconds = cpu
	late := samples[len(samples)*2/3:]
	slices.Sort(late)
	b.RSSAfter = late[len(late)/2]
	if n := int64(r.Connections.Attempted) - f.failures.Load(); n > 0 {
		b.RSSPerConnection = (b.RSSAfter - b.RSSBefore) / n
	}
	return nil
}
