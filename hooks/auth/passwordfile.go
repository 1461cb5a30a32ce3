package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/internal/reload"
)

// maxCredentials is the greatest size of a file of credentials, in bytes: a million users of argon2id.
const maxCredentials = 256 << 20

// PasswordFile knows the users that are in a file, one on each line:
//
//	USER:HASH[:APP]
//
// HASH is argon2id ($argon2id$v=19$m=…,t=…,p=…$salt$hash) or bcrypt ($2b$…). Users with an APP
// belong to it. Empty lines and those that begin with '#' say nothing. `holdfast passwd` writes it.
//
// For a user who is not in the file, a password is hashed nevertheless, so that the time an answer takes does not
// tell who is. It does if hashes of different cost are mixed: then it is the time of the most frequent ones.
type PasswordFile struct {
	// LeaveTokens ignores clients whose password looks like a token, also users of the file: they are a JWT's to decide about, and a hash
	// for each device of a fleet would cost a thousand times what its token does. It is set before anybody is asked about.
	LeaveTokens bool

	file    *reload.File[passwords]
	hashing chan struct{} // holds a token for each hash that is being computed
}

// passwords is what a file says. It does not change.
type passwords struct {
	users map[string]passwordEntry
	decoy hash // for users who are not there
}

type passwordEntry struct {
	hash hash
	app  string
}

var _ broker.Authenticator = (*PasswordFile)(nil)

// OpenPasswordFile reads a file. At most hashing passwords are hashed at a time, each of which may take the memory that
// its hash says (19 MiB by default); 0 is one for each processor. An error names each bad line.
func OpenPasswordFile(path string, hashing int) (*PasswordFile, error) {
	f, err := reload.Open(path, maxCredentials, parsePasswords)
	if err != nil {
		return nil, fmt.Errorf("read password file: %w", err)
	}
	if hashing <= 0 {
		hashing = runtime.GOMAXPROCS(0)
	}
	return &PasswordFile{file: f, hashing: make(chan struct{}, hashing)}, nil
}

// Reload reads the file if it has changed, and tells whether it has. After an error the old users stay.
func (f *PasswordFile) Reload() (changed bool, err error) { return f.file.Reload() }

// Run reloads the file every so often until ctx ends. It logs what is wrong with the file.
func (f *PasswordFile) Run(ctx context.Context, every time.Duration, log *slog.Logger) {
	f.file.Run(ctx, every, log)
}

// Users returns the number of users.
func (f *PasswordFile) Users() int { return len(f.file.Load().users) }

// OnConnectAuthenticate returns Allow or Deny for users of the file, and Ignore for others. It waits for its turn, then hashes.
func (f *PasswordFile) OnConnectAuthenticate(ctx context.Context, r *broker.ConnectRequest) (broker.Decision, *broker.Identity, error) {
	if !r.HasUser || f.LeaveTokens && looksLikeToken(string(r.Password)) { // whoever the user is: time must not tell
		return broker.Ignore, nil, nil
	}
	select {
	case f.hashing <- struct{}{}:
		defer func() { <-f.hashing }()
	case <-ctx.Done():
		return broker.Deny, nil, fmt.Errorf("wait to hash a password: %w", context.Cause(ctx))
	}
	p := f.file.Load()
	e, known := p.users[r.User]
	if !known {
		p.decoy.verify(r.Password)
		return broker.Ignore, nil, nil
	}
	if right := e.hash.verify(r.Password); !right || !r.HasPassword {
		return broker.Deny, nil, nil
	}
	return broker.Allow, &broker.Identity{App: e.app, User: r.User}, nil
}

// newDecoy is for files that have no hash to imitate.
var newDecoy hash = &argonHash{memory: argonMemory, time: argonTime, threads: argonThreads, salt: make([]byte, argonSalt), sum: make([]byte, argonSum)}

func parsePasswords(data []byte) (*passwords, error) {
	p := &passwords{users: make(map[string]passwordEntry), decoy: newDecoy}
	count := make(map[string]int)
	err := parseCredentials(data, func(user, secret, app string) error {
		h, err := parseHash(secret)
		if err != nil {
			return err
		}
		if _, twice := p.users[user]; twice {
			return errTwice
		}
		p.users[user] = passwordEntry{hash: h, app: app}
		count[h.cost()]++
		if count[h.cost()] > count[p.decoy.cost()] {
			p.decoy = h
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

var (
	errTwice = errors.New("the user is there twice")
	errLine  = errors.New("want USER:SECRET or USER:SECRET:APP")
	errApp   = errors.New("an App must not be empty, or hold '/', '+', '#', spaces or control characters")
)

// parseCredentials hands the lines of a file, USER:SECRET[:APP], to use. The error names each line with a fault; it repeats nothing of them.
func parseCredentials(data []byte, use func(user, secret, app string) error) error {
	const maxFaults = 20
	var faults []error
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" || text[0] == '#' {
			continue
		}
		err := errLine
		if user, rest, ok := strings.Cut(text, ":"); ok && user != "" {
			secret, app, hasApp := strings.Cut(rest, ":")
			if hasApp && !validApp(app) {
				err = errApp
			} else {
				err = use(user, secret, app)
			}
		}
		if err == nil {
			continue
		}
		if faults = append(faults, fmt.Errorf("line %d: %w", n, err)); len(faults) == maxFaults {
			break
		}
	}
	return errors.Join(faults...)
}
