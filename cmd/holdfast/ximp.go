package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/client"
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

const ximpUsage = `Usage:
  holdfast ximp login [flags]              log in, say what the server answers, and leave
  holdfast ximp listen [flags]             print what arrives in the user's inboxes
  holdfast ximp chat --to USER [flags]     send messages to a user
  holdfast ximp join ROOM [flags]          join a room and print what is said there
  holdfast ximp say ROOM [flags]           send messages to a room
  holdfast ximp status USER… [flags]       tell where users are

A client of XIMP, the protocol of phones that begins with "qh", to try listeners with ximp:// or auto://. Its
encryption hides nothing; use ximps:// or wss:// where that matters. Keys and signatures are read from files, since other users of
this machine see command lines.

Examples:
  holdfast ximp listen -u alice -L ximp://127.0.0.1:1885 -v
  holdfast ximp chat -u bob --to alice -m hello
  holdfast ximp join -u alice -v tearoom
  holdfast ximp login -u 10001 --app 4242 --key-file default.key --sig-file alice.sig -L ximps://push.example

'holdfast ximp COMMAND --help' shows the flags.
Exit codes: 0 done, 1 failure (the text says why), 2 wrong command line, 27 the time of -W has passed.
`

// ximpNotes are the last lines of each subcommand's help.
const ximpNotes = `
'holdfast ximp --help' has examples.
Exit codes: 0 done, 1 failure (the text says why), 2 wrong command line, 27 the time of -W has passed.
`

// ximpURL is where to connect to if nothing else is said.
const ximpURL = "ximp://localhost:1885"

// maxSecret is the size of a file with a key, at most.
const maxSecret = 16 << 10

func runXIMP(ctx context.Context, args []string, stdio Stdio) int {
	return runSubcommand(ctx, args, stdio, "ximp", ximpUsage, []subcommand{
		{"login", runXIMPLogin},
		{"listen", runXIMPListen},
		{"chat", runXIMPChat},
		{"join", runXIMPJoin},
		{"say", runXIMPSay},
		{"status", runXIMPStatus},
	})
}

// ximpFlags say how to connect and as whom.
type ximpFlags struct {
	fs                          *pflag.FlagSet
	o                           client.Options
	caFile                      string
	keyFile, sigFile, tokenFile string
	saltFile, codeFile          string
	app, clientVersion          uint16
	protocol, keepAlive         uint16
	debug                       bool
}

func addXIMPFlags(fs *pflag.FlagSet) *ximpFlags {
	f := &ximpFlags{fs: fs}
	fs.StringVarP(&f.o.URL, "url", "L", ximpURL, "`URL` of the listener: ximp://host[:port], or ximps, ws or wss")
	fs.StringVar(&f.caFile, "cafile", "", "`file` of certificates to verify the broker's with, instead of the system's")
	fs.StringVarP(&f.o.User, "user", "u", "", "user `id`")
	fs.Uint16Var(&f.app, "app", packet.TextHeader.App, "`number` of the app")
	fs.Uint16Var(&f.clientVersion, "client-version", packet.TextHeader.ClientVersion, "`version` of the app's client, 0 to 4095")
	fs.StringVar(&f.keyFile, "key-file", "", "`file` with the default key of app and client version; without it plaintext is spoken")
	fs.StringVar(&f.sigFile, "sig-file", "", "`file` with the user's signature; without it the user is a guest")
	fs.StringVar(&f.tokenFile, "token-file", "", "`file` with the password that belongs to the signature")
	fs.StringVar(&f.saltFile, "salt-file", "", "`file` with the salt that the verification codes of the app's guests are made with")
	fs.StringVar(&f.codeFile, "code-file", "", "`file` with the guest's verification code")
	fs.StringVar(&f.o.DeviceID, "device", "", "device `id`: the same one takes the connection over; none makes a session that ends with it")
	fs.StringVar(&f.o.Platform, "platform", "", "`platform`: web, pc or mobile")
	fs.StringVar(&f.o.MobileType, "mobile-type", client.DefaultMobile, "`type` of device: android, ios or pc")
	fs.Uint16VarP(&f.protocol, "protocol-version", "V", 1, "`version` of the protocol: 0 or 1")
	fs.BoolVar(&f.o.Text, "text", false, "speak the text form, which takes a ws or wss URL and version 0")
	fs.BoolVar(&f.o.Encrypt, "encrypt", false, "do not offer the server to speak plaintext after the login")
	fs.Uint16VarP(&f.keepAlive, "keepalive", "k", uint16(client.DefaultHeartbeat.Seconds()), "send a heartbeat every so many `seconds`")
	fs.BoolVarP(&f.debug, "debug", "d", false, "name each message sent and received on standard error")
	return f
}

// options turns the flags into what the client takes.
func (f *ximpFlags) options(stdio Stdio) (client.Options, error) {
	o := f.o
	if o.Text && !f.fs.Changed("protocol-version") {
		f.protocol = 0
	}
	switch {
	case o.User == "":
		return o, errors.New("no user: give one with -u")
	case f.protocol > 1:
		return o, fmt.Errorf("-V %d: write 0 or 1", f.protocol)
	case f.clientVersion > 0x0FFF:
		return o, fmt.Errorf("--client-version %d: write 0 to 4095", f.clientVersion)
	case f.keepAlive == 0:
		return o, errors.New("-k 0: write seconds, 1 or more")
	case f.sigFile == "" && f.tokenFile != "":
		return o, errors.New("--token-file needs --sig-file")
	case f.sigFile != "" && (f.saltFile != "" || f.codeFile != ""):
		return o, errors.New("--salt-file and --code-file are for guests, who have no --sig-file")
	case f.saltFile != "" && f.codeFile != "":
		return o, errors.New("give --salt-file or --code-file, not both")
	}
	o.Header = packet.Header{Version: uint8(f.protocol), ClientVersion: f.clientVersion, App: f.app}
	o.Heartbeat = time.Duration(f.keepAlive) * time.Second
	if f.debug {
		trace := debugTo(stdio.Err, o.User)
		o.Trace = func(sent bool, m *packet.Message) { trace(ximpTrace(sent, m)) }
	}
	return o, f.files(&o)
}

// files reads the files that flags name.
func (f *ximpFlags) files(o *client.Options) error {
	for _, file := range []struct {
		name string
		set  func(string)
	}{
		{f.keyFile, func(s string) { o.DefaultKey = packet.Key(s) }},
		{f.sigFile, func(s string) { o.Sig = s }},
		{f.tokenFile, func(s string) { o.Token = packet.Key(s) }},
		{f.saltFile, func(s string) { o.VerfSalt = s }},
		{f.codeFile, func(s string) { o.VerfCode = s }},
	} {
		if file.name == "" {
			continue
		}
		s, err := readSecret(file.name)
		if err != nil {
			return err
		}
		file.set(s)
	}
	if f.caFile == "" {
		return nil
	}
	pem, err := os.ReadFile(f.caFile)
	if err != nil {
		return err
	}
	o.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !o.TLS.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("there is no certificate in %s", f.caFile)
	}
	return nil
}

// readSecret returns what is in the file, without the line's end.
func readSecret(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	s := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch {
	case err != nil:
		return "", err
	case len(b) > maxSecret:
		return "", fmt.Errorf("%s has more than %d bytes: that is no key", name, maxSecret)
	case s == "":
		return "", fmt.Errorf("%s is empty", name)
	}
	return s, nil
}

// ximpTrace names a message, without what it holds.
func ximpTrace(sent bool, m *packet.Message) string {
	verb := "received"
	if sent {
		verb = "sending"
	}
	line := fmt.Sprintf("%s %v (sn%d", verb, m.ID, m.SN)
	if n := m.Notify; n != nil && n.NewMessage != nil {
		line += fmt.Sprintf(", %s, id%d", n.NewMessage.InfoType, n.NewMessage.ID.Value)
	}
	if r := m.Response; r != nil && r.Error != nil {
		line += ", " + r.Error.Error()
	}
	return line + ")"
}

// ximpSession connects, does what is to be done and explains what went wrong.
func ximpSession(ctx context.Context, fs *pflag.FlagSet, stdio Stdio, o client.Options, do func(*client.Client) error) int {
	c, err := client.Dial(ctx, o)
	if err == nil {
		err = do(c)
		c.Close()
	}
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errTimedOut):
		fmt.Fprintf(stdio.Err, "holdfast %s: timed out\n", fs.Name())
		return exitTimeout
	}
	return failure(stdio, fs.Name(), explainXIMP(err))
}

// orInterrupted returns nil instead of err if ctx, the command's, has ended it.
func orInterrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// explainXIMP adds what to do about an error.
func explainXIMP(err error) error {
	var refused *packet.Error
	switch {
	case errors.As(err, &refused) && refused.Code == packet.CodeCredentials:
		return fmt.Errorf("%w; look at -u and --sig-file, or, for a guest, --salt-file or --code-file", err)
	case errors.As(err, &refused) && refused.Code == packet.CodeParameter:
		return fmt.Errorf("%w; look at --app, and, for a guest, --salt-file or --code-file", err)
	case errors.Is(err, client.ErrKey):
		return fmt.Errorf("%w; look at --key-file, --app and --client-version", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer in 30 s (%w); look at -L", err)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the server closed the connection: %w; "+
			"at the login, that is how it answers another key: look at --key-file, --app and --client-version", err)
	}
	return explainDial(err, "-L")
}
