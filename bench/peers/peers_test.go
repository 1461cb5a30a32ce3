package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/goleak"

	"github.com/holdfast-mqtt/holdfast/bench"
)

// asBroker in the environment makes the test binary a broker instead.
const asBroker = "PEERS_TEST_BROKER"

func TestMain(m *testing.M) {
	if how := os.Getenv(asBroker); how != "" {
		if err := serve(how); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// serve stands for both brokers: mochi on the address that the command line or
// the configuration file names.
func serve(how string) error {
	if os.Args[1] == "-h" {
		fmt.Println("mosquitto version 9.8.7")
		return errors.New("help is no success")
	}
	if how == "broken" {
		return errors.New("this broker is broken")
	}
	address := ""
	for _, a := range os.Args {
		if u, err := url.Parse(a); err == nil && u.Scheme == "mqtt" {
			address = u.Host
		}
	}
	if os.Args[1] == "-c" {
		b, err := os.ReadFile(os.Args[2])
		if err != nil {
			return err
		}
		var port int
		if _, err := fmt.Sscanf(string(b), "listener %d 127.0.0.1", &port); err != nil {
			return err
		}
		address = fmt.Sprintf("127.0.0.1:%d", port)
	}
	s := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := s.AddHook(new(allowHook), nil); err != nil {
		return err
	}
	if err := s.AddListener(listeners.NewTCP(listeners.Config{ID: "t", Address: address})); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := s.Serve(); err != nil {
		return err
	}
	<-ctx.Done()
	return s.Close()
}

// allowHook lets everybody do everything.
type allowHook struct{ mochi.HookBase }

func (*allowHook) ID() string { return "allow" }
func (*allowHook) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}
func (*allowHook) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }
func (*allowHook) OnACLCheck(*mochi.Client, string, bool) bool              { return true }

// small compares this test binary with itself, briefly.
func small(t *testing.T) Options {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := Defaults()
	o.Holdfast, o.Mosquitto = self, self
	o.Rounds, o.Clients, o.Messages, o.Duration = 2, 50, 1000, 100*time.Millisecond
	return o
}

func TestRun(t *testing.T) {
	t.Setenv(asBroker, "good")
	t.Setenv("GORACE", "atexit_sleep_ms=0") // else every broker takes a second to end
	o := small(t)
	o.Only = []string{"conn", "p2p-qos0", "fanin"}
	var order []string
	r, err := Run(t.Context(), o, func(p Progress) {
		at := fmt.Sprint(p.Scenario, " ", p.Round, " ", p.Broker)
		if len(order) == 0 || order[len(order)-1] != at {
			order = append(order, at)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "conn 1 holdfast,conn 1 mosquitto,conn 2 mosquitto,conn 2 holdfast,p2p-qos0 1 holdfast"
	if got := strings.Join(order, ","); !strings.HasPrefix(got, want) {
		t.Errorf("got order %s, want %s first", got, want)
	}
	if r.Mosquitto != "9.8.7" || r.Cores < 1 || r.Rounds != 2 {
		t.Errorf("got %+v, want mosquitto 9.8.7, some cores, 2 rounds", r)
	}
	seen := make(map[string]bool)
	for _, row := range r.Rows {
		seen[row.Scenario] = true
		if len(row.HoldfastRounds) != 2 || len(row.MosquittoRounds) != 2 {
			t.Errorf("%s, %s: got %v and %v, want two rounds each", row.Scenario, row.Metric, row.HoldfastRounds, row.MosquittoRounds)
		}
		if row.Metric == "deliveries" && (row.Holdfast <= 0 || row.Mosquitto <= 0 || row.Ratio == nil) {
			t.Errorf("got %+v, want a rate", row)
		}
	}
	if len(seen) != 3 {
		t.Errorf("got scenarios %v, want three", seen)
	}
	for _, write := range []func(*bytes.Buffer) error{
		func(b *bytes.Buffer) error { return r.Table().WriteText(b) },
		func(b *bytes.Buffer) error { return r.Table().WriteMarkdown(b) },
		func(b *bytes.Buffer) error { return json.NewEncoder(b).Encode(r) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil || !strings.Contains(b.String(), "fanin-qos1") {
			t.Errorf("got %q, %v, want a report", b.String(), err)
		}
	}
}

func TestRunFails(t *testing.T) {
	o := small(t)
	o.Only = []string{"p2p"}
	t.Run("broken broker", func(t *testing.T) {
		t.Setenv(asBroker, "broken")
		_, err := Run(t.Context(), o, nil)
		if err == nil || !strings.Contains(err.Error(), "start holdfast") || !strings.Contains(err.Error(), "this broker is broken") {
			t.Errorf("got %v, want the broker's last words", err)
		}
	})
	for _, tt := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.Only = []string{"p2p", "x"} }, `unknown scenario "x"; there are conn, p2p-qos1`},
		{func(o *Options) { o.Rounds = 0 }, "rounds"},
		{func(o *Options) { o.Messages, o.Only = 1, nil }, "at least the number of publishers"},
		{func(o *Options) { o.Holdfast = "/does/not/exist" }, "find holdfast"},
		{func(o *Options) { o.Mosquitto = "/does/not/exist" }, "/does/not/exist"},
	} {
		o := o
		tt.change(&o)
		if _, err := Run(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

func TestChoose(t *testing.T) {
	for _, tt := range []struct{ only, want string }{
		{"", strings.Join(Scenarios(), " ")},
		{"p2p", "p2p-qos1 p2p-qos0"},
		{"fanout-qos1", "fanout-qos1"},
		{"sparse fanin", "fanin-qos1 sparse-qos1"},
	} {
		got, err := choose(strings.Fields(tt.only))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range got {
			names = append(names, s.name)
		}
		if strings.Join(names, " ") != tt.want {
			t.Errorf("%q: got %v, want %s", tt.only, names, tt.want)
		}
	}
}

// TestRows checks medians, ratios and verdicts.
func TestRows(t *testing.T) {
	result := func(rate, p99 float64, lost uint64) *bench.Result {
		return &bench.Result{Messages: &bench.Messages{
			DeliveriesPerSecond: rate, Lost: lost, Latency: bench.Latency{P99: p99},
		}}
	}
	s := &scenario{name: "s", metrics: []metric{
		{name: "rate", of: rate, must: bound{ratioAtLeast, 8}, aim: bound{ratioAtLeast, 12}},
		{name: "p99", of: p99, must: bound{ratioAtMost, 1}, aim: bound{ratioAtMost, 0.8}},
		{name: "lost", of: lost, must: bound{atMost, 0}},
	}}
	got := rows(s, [2][]*bench.Result{
		{result(800, 9, 0), result(1000, 10, 0), result(2000, 5, 1)},
		{result(80, 10, 0), result(100, 10, 0), result(400, 10, 7)},
	})
	want := []string{
		"s|rate|1,000|100|10|≥ 8 × pass|≥ 12 × FAIL",
		"s|p99|9|10|0.900|≤ 1 × pass|≤ 0.800 × FAIL",
		"s|lost|0|0|0.143|≤ 0 FAIL|", // in one round is once too often
	}
	for i, row := range got {
		if text := strings.Join(row.cells(), "|"); text != want[i] {
			t.Errorf("got %s, want %s", text, want[i])
		}
	}
	r := Report{Rows: got[:2]}
	if !r.OK() {
		t.Error("got not OK, want OK: aims are not required")
	}
	if r.Rows = got; r.OK() {
		t.Error("got OK, want not OK")
	}
}

func TestNumber(t *testing.T) {
	for _, tt := range []struct {
		f    float64
		want string
	}{
		{0, "0"}, {0.125, "0.125"}, {3.5, "3.50"}, {12.34, "12.3"}, {123.4, "123"}, {1200, "1,200"},
		{1234567.8, "1,234,568"}, {-5713, "-5,713"}, {8, "8"},
	} {
		if got := number(tt.f); got != tt.want {
			t.Errorf("number(%v): got %s, want %s", tt.f, got, tt.want)
		}
	}
}
