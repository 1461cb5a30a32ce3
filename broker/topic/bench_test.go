package topic

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkMatchExact looks up one of a million filters, each of one subscriber.
func BenchmarkMatchExact(b *testing.B) {
	const filters = 1_000_000
	x := NewIndex[*int]()
	owner := new(int)
	names := make([]string, filters)
	for i := range names {
		names[i] = fmt.Sprintf("inbox/device%08d", i)
		x.Subscribe(names[i], Subscription[*int]{Subscriber: owner})
	}
	b.Run("serial", func(b *testing.B) {
		var m Matches[*int]
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			x.Match(names[i*7919%filters], nil, &m)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			var m Matches[*int]
			for i := 0; pb.Next(); i++ {
				x.Match(names[i*7919%filters], nil, &m)
			}
		})
	})
}

// BenchmarkMatchFanOut finds the subscribers of one exact filter, alone and
// with a subscriber of "#" that must be recognised.
func BenchmarkMatchFanOut(b *testing.B) {
	for _, subscribers := range []int{1000, 100_000} {
		for _, monitors := range []int{0, 1} {
			b.Run(fmt.Sprintf("subscribers=%d/monitors=%d", subscribers, monitors), func(b *testing.B) {
				x := NewIndex[*int]()
				owners := make([]int, subscribers)
				for i := range owners {
					x.Subscribe("news/today", Subscription[*int]{Subscriber: &owners[i]})
				}
				for i := range monitors {
					x.Subscribe("#", Subscription[*int]{Subscriber: &owners[subscribers-1-i]}) // found last
				}
				var m Matches[*int]
				b.ReportAllocs()
				for b.Loop() {
					x.Match("news/today", nil, &m)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*subscribers), "ns/subscriber")
			})
		}
	}
}

// BenchmarkMatchWildcard walks a trie of 10,000 filters.
func BenchmarkMatchWildcard(b *testing.B) {
	x := NewIndex[*int]()
	owners := make([]int, 10_000)
	for i := range owners {
		f := fmt.Sprintf("site/%d/+/device%d/#", i%100, i)
		x.Subscribe(f, Subscription[*int]{Subscriber: &owners[i]})
	}
	x.Subscribe("site/+/alarm/+/state", Subscription[*int]{Subscriber: &owners[0]})
	var m Matches[*int]
	b.ReportAllocs()
	for b.Loop() {
		x.Match("site/42/alarm/device4242/state", nil, &m)
	}
}

// BenchmarkMatchDeep is the worst a single client can do with one filter.
func BenchmarkMatchDeep(b *testing.B) {
	x := NewIndex[*int]()
	x.Subscribe(strings.Repeat("+/", MaxLen/2)+"#", Subscription[*int]{Subscriber: new(int)})
	name := strings.Repeat("/", MaxLen)
	var m Matches[*int]
	b.ReportAllocs()
	for b.Loop() {
		x.Match(name, nil, &m)
	}
}

// BenchmarkSubscribe adds and removes one subscriber of a filter that has many others.
func BenchmarkSubscribe(b *testing.B) {
	for _, others := range []int{0, 1, 1000, 100_000} {
		b.Run(fmt.Sprintf("others=%d", others), func(b *testing.B) {
			x := NewIndex[int]()
			for s := range others {
				x.Subscribe("news/today", Subscription[int]{Subscriber: s + 1})
			}
			b.ReportAllocs()
			for b.Loop() {
				x.Subscribe("news/today", Subscription[int]{Subscriber: -1})
				x.Unsubscribe("news/today", -1)
			}
		})
	}
}

// BenchmarkRetainedPage reads pages of 100 names out of 100,000.
func BenchmarkRetainedPage(b *testing.B) {
	r := NewRetained[int]()
	for i := range 10_000 {
		for j := range 10 {
			r.Set(fmt.Sprintf("site/device%05d/value%d", i, j), j)
		}
	}
	for _, filter := range []string{"#", "site/+/value5"} {
		b.Run(strings.ReplaceAll(filter, "/", "|"), func(b *testing.B) {
			b.ReportAllocs()
			after := ""
			for b.Loop() {
				after, _ = r.Page(filter, after, 100, func(string, int) {})
			}
		})
	}
}

func BenchmarkValidateName(b *testing.B) {
	name := []byte("site/42/alarm/device4242/state")
	b.ReportAllocs()
	for b.Loop() {
		if err := ValidateName(name); err != nil {
			b.Fatal(err)
		}
	}
}
