package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/internal/reload"
)

// maxBanList is the greatest size of a file of bans, in bytes.
const maxBanList = 16 << 20

// BanList keeps clients away that a file names, by Client Identifier or User Name, whatever they authenticate with:
//
//   - client: pump-17        # in every App
//   - user: mallory
//     app: meters            # in that one alone
//     note: until her bill is paid
//
// It is a hook of the broker's, and is asked when a client is known: who only claims a name is not told that it is banned. A
// connection that there is when the file changes stays; Broker.Kick ends it.
type BanList struct{ file *reload.File[bans] }

var _ broker.ConnectInterceptor = (*BanList)(nil)

// OpenBanList reads a file of bans. The error names the line or the entry.
func OpenBanList(path string) (*BanList, error) {
	f, err := reload.Open(path, maxBanList, parseBans)
	if err != nil {
		return nil, err
	}
	return &BanList{f}, nil
}

// ID names the hook.
func (l *BanList) ID() string { return "ban_list" }

// OnConnect returns broker.ErrBanned for a client that is on the list, and does not block.
func (l *BanList) OnConnect(c *broker.Connecting) error {
	b := *l.file.Load()
	if b.has(ban{client: true, name: c.ClientID}, c.App) || c.User != "" && b.has(ban{name: c.User}, c.App) {
		return broker.ErrBanned
	}
	return nil
}

// Run reads the file again when it changes, looking every so often, until ctx ends. What is wrong with it is logged, and what it said
// before stands.
func (l *BanList) Run(ctx context.Context, every time.Duration, log *slog.Logger) {
	l.file.Run(ctx, every, log)
}

// ban is one name that is kept away.
type ban struct {
	client bool // it is a Client Identifier, not a User Name
	name   string
	app    string // empty is every App
}

type bans map[ban]struct{}

// has tells whether b, whose app is empty, is banned in an App.
func (l bans) has(b ban, app string) bool {
	if _, everywhere := l[b]; everywhere {
		return true
	}
	b.app = app
	_, here := l[b]
	return here
}

// banYAML is an entry of the file.
type banYAML struct {
	Client string `yaml:"client"`
	User   string `yaml:"user"`
	App    string `yaml:"app"`
	Note   string `yaml:"note"` // for people
}

var errBan = errors.New("a ban has a client or a user, and one of them alone")

func parseBans(data []byte) (*bans, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	var list []banYAML
	if err := dec.Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document")
	}
	out := make(bans, len(list))
	for i, b := range list {
		if (b.Client == "") == (b.User == "") {
			return nil, fmt.Errorf("entry %d: %w", i+1, errBan)
		}
		out[ban{client: b.Client != "", name: b.Client + b.User, app: b.App}] = struct{}{}
	}
	return &out, nil
}
