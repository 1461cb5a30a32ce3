package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/holdfast-mqtt/holdfast/bridge/miop/client"
	"github.com/holdfast-mqtt/holdfast/bridge/miop/packet"
)

const miopUsage = `Usage:
  holdfast miop listen USER@APPID [USER@APPID …] [flags]      bind users and print their messages
  holdfast miop upload USER@APPID {-m TEXT | -f FILE} [flags]   bind a user and send what it has to say

The commands speak MIOP 5, or 6 with --sign-file, to the listener miop://127.0.0.1:1884 unless -h and -p name another. They
are for trying and testing. Messages are acknowledged once they are printed.

Examples:
  holdfast serve --listen mqtt://127.0.0.1:1883 --listen 'miop://127.0.0.1:1884?app=default'
  holdfast miop listen alice@1
  holdfast pub -q 1 -t inbox/m:alice -m hi
  holdfast sub -t up/data &
  holdfast miop upload alice@1 -m temp=21.5

Exit codes: 0 done, interrupted or -C reached, 1 failure (the text says why), 2 wrong command line,
27 the time of -W has passed.
`

func runMIOP(ctx context.Context, args []string, stdio Stdio) int {
	return runSubcommand(ctx, args, stdio, "miop", miopUsage, []subcommand{
		{"listen", runMIOPListen},
		{"upload", runMIOPUpload},
	})
}

// miopFlags say how to connect and bind.
type miopFlags struct {
	fs        *pflag.FlagSet
	host      string
	port      uint16
	tls       bool
	ca        string
	keepAlive uint16
	signFile  string
	authType  string
	ts        int64
	transient bool
	beside    bool
	debug     bool

	users    []packet.BindRequest
	patience time.Duration // for the broker to answer
}

// miopQueue has room for all that a broker sends to as many users as there may be until they acknowledge: what answers the bind
// of one comes behind the messages of those before. In bytes that is four times the mailboxes that brokers keep by default.
const (
	miopQueue      = maxMIOPUsers * 1000
	miopQueueBytes = maxMIOPUsers * 4 << 20
)

func addMIOPFlags(fs *pflag.FlagSet) *miopFlags {
	f := &miopFlags{fs: fs, patience: ximpCallTimeout}
	fs.StringVarP(&f.host, "host", "h", "localhost", "`host` of the broker")
	fs.Uint16VarP(&f.port, "port", "p", 1884, "its `port`")
	fs.BoolVar(&f.tls, "tls", false, "connect with TLS, to a miops:// listener")
	fs.StringVar(&f.ca, "cafile", "", "PEM `file` with the authorities that may have signed the broker's certificate (default: the system's)")
	fs.Uint16VarP(&f.keepAlive, "keepalive", "k", packet.DefaultKeepAlive, "`seconds` without any sign of life until one is asked for")
	fs.StringVar(&f.signFile, "sign-file", "", "`file` with the product's sign, which makes it MIOP 6")
	fs.StringVar(&f.authType, "authtype", "", "what goes with the sign")
	fs.Int64Var(&f.ts, "ts", 0, "when it was signed, in `ms` since 1970 (default: now)")
	fs.BoolVar(&f.transient, "transient", false, "nothing is kept for the user while it is away")
	fs.BoolVar(&f.beside, "beside", false, "leave another session of the same user alone")
	fs.BoolVarP(&f.debug, "debug", "d", false, "name each frame sent and received on standard error")
	return f
}

// parse reads the users and the flags. When done is true the command is over.
func (f *miopFlags) parse(stdio Stdio, args []string, most int, check func() error) (code int, done bool) {
	return parseArgs(f.fs, stdio, args, func() error {
		for _, arg := range f.fs.Args() {
			user, appID, err := packet.ParseUser([]byte(arg))
			if err != nil {
				return fmt.Errorf("%q is not USER@APPID, with a number of 1 to 4294967295", arg)
			}
			b := packet.BindRequest{
				User: user, AppID: appID, KeepAlive: uint32(f.keepAlive), TS: f.ts, Beside: f.beside, Transient: f.transient,
				AuthType: []byte(f.authType),
			}
			if slices.ContainsFunc(f.users, func(o packet.BindRequest) bool { return o.AppID == appID }) {
				return fmt.Errorf("%q: a connection has one user of each appid", arg)
			}
			if b.TS == 0 {
				b.TS = time.Now().UnixMilli()
			}
			f.users = append(f.users, b)
		}
		if len(f.users) == 0 || len(f.users) > most {
			return fmt.Errorf("name 1 to %d users, as USER@APPID", most)
		}
		if f.keepAlive == 0 {
			return errors.New("-k takes a number above 0")
		}
		if f.ca != "" && !f.tls {
			return errors.New("--cafile goes with --tls")
		}
		return check()
	})
}

// dial connects and binds the users.
func (f *miopFlags) dial(ctx context.Context, stdio Stdio) (*client.Client, error) {
	var conf *tls.Config
	if f.tls {
		conf = &tls.Config{MinVersion: tls.VersionTLS12}
		if f.ca != "" {
			pem, err := os.ReadFile(f.ca)
			if err != nil {
				return nil, err
			}
			if conf.RootCAs = x509.NewCertPool(); !conf.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("%s has no certificates", f.ca)
			}
		}
	}
	o := client.Options{Version: 5, Manual: true, Queue: miopQueue, QueueBytes: miopQueueBytes, KeepAlive: time.Duration(f.keepAlive) * time.Second}
	if f.signFile != "" {
		sign, err := readFile(f.signFile)
		if err != nil {
			return nil, err
		}
		o.Version = 6
		for i := range f.users {
			f.users[i].Sign = bytes.TrimSpace(sign)
		}
	}
	if f.debug {
		o.Trace = traceMIOP(stdio.Err)
	}
	ctx, cancel := f.bounded(ctx)
	defer cancel()
	c, err := client.Dial(ctx, net.JoinHostPort(f.host, strconv.Itoa(int(f.port))), conf, o)
	if err != nil {
		return nil, explainMIOP(err)
	}
	for _, b := range f.users {
		if err := c.Bind(ctx, b); err != nil {
			c.Close()
			return nil, fmt.Errorf("bind %s: %w", packet.AppendUser(nil, string(b.User), b.AppID), explainMIOP(err))
		}
	}
	return c, nil
}

// bounded has ctx end when the broker takes too long to answer.
func (f *miopFlags) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, f.patience, fmt.Errorf("no answer in %v; look at -h and -p", f.patience))
}

// traceMIOP names frames on w, without their contents.
func traceMIOP(w io.Writer) func(bool, *packet.Frame) {
	var mu sync.Mutex
	return func(sent bool, f *packet.Frame) {
		mu.Lock()
		defer mu.Unlock()
		way := "received"
		if sent {
			way = "sending"
		}
		fmt.Fprintf(w, "Client %s %v (%d bytes)\n", way, f.Kind(), len(f.Data))
	}
}
