package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/internal/reload"
)

// cheapHash is an argon2id hash that takes no time.
func cheapHash(password string) string {
	salt := []byte(rand.Text()[:8])
	sum := argon2.IDKey([]byte(password), salt, 1, 8, 1, 16)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=19$m=8,t=1,p=1$%s$%s", b64.EncodeToString(salt), b64.EncodeToString(sum))
}

func openPasswords(t *testing.T, text string) *PasswordFile {
	t.Helper()
	f, err := OpenPasswordFile(writeFile(t, "passwords", text), 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPasswordFile(t *testing.T) {
	f := openPasswords(t, "# users\n\nalice:"+cheapHash("wonderland")+"\nbob:"+cheapHash("builder")+":meters\r\nempty:"+cheapHash("")+"\nulf:"+bcryptVector+"\n")
	if got := f.Users(); got != 4 {
		t.Errorf("got %d users, want 4", got)
	}
	userOnly := withPassword("empty", "")
	userOnly.HasPassword = false
	passwordOnly := withPassword("", "wonderland")
	passwordOnly.HasUser = false
	for _, tt := range []struct {
		r    *broker.ConnectRequest
		want broker.Decision
		app  string
	}{
		{withPassword("alice", "wonderland"), broker.Allow, ""},
		{withPassword("bob", "builder"), broker.Allow, "meters"},
		{withPassword("ulf", "U*U"), broker.Allow, ""},
		{withPassword("empty", ""), broker.Allow, ""},
		{userOnly, broker.Deny, ""},
		{withPassword("alice", "builder"), broker.Deny, ""},
		{withPassword("alice", ""), broker.Deny, ""},
		{withPassword("Alice", "wonderland"), broker.Ignore, ""},
		{withPassword("", "wonderland"), broker.Ignore, ""},
		{withPassword("# users", ""), broker.Ignore, ""},
		{passwordOnly, broker.Ignore, ""},
	} {
		d, id, err := ask(t, f, tt.r)
		if d != tt.want || err != nil {
			t.Errorf("user %q, password %q: got %d, %v, want %d", tt.r.User, tt.r.Password, d, err, tt.want)
		}
		if d == broker.Allow && (id == nil || id.App != tt.app || id.User != tt.r.User) {
			t.Errorf("user %q: got %+v, want App %q", tt.r.User, id, tt.app)
		}
	}
}

func TestBadPasswordFiles(t *testing.T) {
	hash := cheapHash("x")
	for _, tt := range []struct{ name, text, want string }{
		{"no colon", "alice", "line 1: want USER:SECRET"},
		{"no user", ":" + hash, "line 1: want USER:SECRET"},
		{"plain", "alice:geheim", "line 1: not an argon2id or bcrypt hash"},
		{"a file of SCRAM", "alice:$scram-sha-256$i=4096$geheim$geheim$geheim", "line 1: not an argon2id"},
		{"no App", "a:" + hash + "\nalice:" + hash + ":", "line 2: an App must not be empty"},
		{"App", "alice:" + hash + ":a/b", "line 1: an App must not"},
		{"field too many", "alice:" + hash + ":a:b", "line 1: an App must not"},
		{"twice", "alice:" + hash + "\n#\nalice:" + hash, "line 3: the user is there twice"},
		{"all", "geheim\n\nalice:geheim\n", "line 1: want USER:SECRET or USER:SECRET:APP\nline 3: not an"},
		{"very many", strings.Repeat("geheim\n", 1000), "line 20: want"},
	} {
		f, err := OpenPasswordFile(writeFile(t, "passwords", tt.text), 0)
		if f != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
			continue
		}
		if text := err.Error(); strings.Contains(text, "geheim") || strings.Contains(text, hash) || len(text) > 2000 {
			t.Errorf("%s: got %q, which repeats the file", tt.name, err)
		}
	}
}

// slowHash counts passwords, and keeps them waiting.
type slowHash struct {
	mu      sync.Mutex
	asked   []string
	started chan struct{}
	goOn    chan struct{}
}

func (h *slowHash) cost() string { return "slow" }

func (h *slowHash) verify(password []byte) bool {
	h.mu.Lock()
	h.asked = append(h.asked, string(password))
	h.mu.Unlock()
	if h.started != nil {
		h.started <- struct{}{}
		<-h.goOn
	}
	return true
}

// passwordsFile is a file that says p, whatever is in it.
func passwordsFile(t *testing.T, p *passwords) *reload.File[passwords] {
	t.Helper()
	f, err := reload.Open(writeFile(t, "none", ""), 0, func([]byte) (*passwords, error) { return p, nil })
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A user who is not there costs a hash too, and nothing lets it in.
func TestUnknownUserCostsAHash(t *testing.T) {
	f := openPasswords(t, "")
	decoy := new(slowHash)
	f.file = passwordsFile(t, &passwords{decoy: decoy})
	d, _, err := ask(t, f, withPassword("mallory", "guess"))
	if d != broker.Ignore || err != nil || len(decoy.asked) != 1 || decoy.asked[0] != "guess" {
		t.Errorf("got %d, %v, decoy asked for %q, want Ignore and one password", d, err, decoy.asked)
	}
}

func TestDecoyIsLikeMostHashes(t *testing.T) {
	p, err := parsePasswords([]byte("a:" + bcryptVector + "\nb:" + cheapHash("b") + "\nc:" + cheapHash("c") + "\nd:" + argonVector))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.decoy.cost(); got != "argon2id 8 1 1" {
		t.Errorf("got a decoy of %q, want argon2id 8 1 1", got)
	}
	if p, _ = parsePasswords(nil); p.decoy.cost() != "argon2id 19456 2 1" || p.decoy.verify([]byte("x")) {
		t.Errorf("got a decoy of %q for an empty file", p.decoy.cost())
	}
}

func TestHashesAtATimeAreBounded(t *testing.T) {
	f, err := OpenPasswordFile(writeFile(t, "passwords", ""), 1)
	if err != nil {
		t.Fatal(err)
	}
	h := &slowHash{started: make(chan struct{}), goOn: make(chan struct{})}
	f.file = passwordsFile(t, &passwords{users: map[string]passwordEntry{"u": {hash: h}}, decoy: h})
	var wg sync.WaitGroup
	wg.Go(func() { _, _, _ = f.OnConnectAuthenticate(context.Background(), withPassword("u", "first")) })
	<-h.started
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d, _, err := f.OnConnectAuthenticate(ctx, withPassword("u", "second"))
	if d != broker.Deny || !errors.Is(err, context.Canceled) {
		t.Errorf("got %d, %v, want Deny while another is hashed", d, err)
	}
	h.goOn <- struct{}{}
	wg.Wait()
	if len(h.asked) != 1 {
		t.Errorf("got %q hashed, want the first alone", h.asked)
	}
}

// Users come and go while clients connect, whom nothing holds up.
func TestPasswordFileReload(t *testing.T) {
	f := openPasswords(t, "alice:"+cheapHash("a"))
	path := f.file.Path()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if d, _, err := f.OnConnectAuthenticate(context.Background(), withPassword("alice", "a")); d != broker.Allow || err != nil {
					t.Errorf("got %d, %v, want Allow", d, err)
				}
			}
		})
	}
	for i := range 20 {
		if err := os.WriteFile(path+".new", []byte(fmt.Sprintf("alice:%s\nu%d:%s", cheapHash("a"), i, cheapHash("b"))), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		if changed, err := f.Reload(); !changed || err != nil {
			t.Errorf("got %v, %v, want it reloaded", changed, err)
		}
	}
	wg.Wait()
	if d, _, _ := ask(t, f, withPassword("u19", "b")); d != broker.Allow {
		t.Errorf("got %d for a new user, want Allow", d)
	}
	if d, _, _ := ask(t, f, withPassword("u18", "b")); d != broker.Ignore {
		t.Errorf("got %d for a user who is gone, want Ignore", d)
	}
}

func FuzzPasswordFile(f *testing.F) {
	f.Add("alice:" + cheapHash("a") + ":app\n#x\nbob:" + bcryptVector)
	f.Add("a:" + argonVector + "\r\n\na:b:c")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePasswords([]byte(text))
		if err != nil {
			return
		}
		for user, e := range p.users {
			if user == "" || strings.ContainsAny(user, ":\n") || e.app != "" && !validApp(e.app) {
				t.Errorf("got user %q, App %q", user, e.app)
			}
		}
	})
}

// Devices with tokens do not wait for hashes, though they give User Names; a token that is no good is no password either.
func TestPasswordFileLeavesTokens(t *testing.T) {
	token := sign(t, "HS256", good("sub", "bob"), testSigners().hmac)
	f := openPasswords(t, "alice:"+cheapHash("wonderland")+"\neve:"+cheapHash(token+"x")+"\n")
	f.LeaveTokens = true
	c := NewChain(nil, Link{"password_file", f}, Link{"jwt", newJWT(t, JWTConfig{})})
	for _, tt := range []struct {
		user, password string
		want           broker.Decision
		is             string
		err            error
	}{
		{"alice", "wonderland", broker.Allow, "alice", nil},
		{"alice", "wrong", broker.Deny, "", nil},
		{"mallory", "wrong", broker.Deny, "", nil},
		{"device", token, broker.Allow, "bob", nil},
		{"alice", token, broker.Allow, "bob", nil},
		{"eve", token + "x", broker.Deny, "", ErrToken},
	} {
		if d, id, err := ask(t, c, withPassword(tt.user, tt.password)); d != tt.want || !errors.Is(err, tt.err) || d == broker.Allow && id.User != tt.is {
			t.Errorf("%s, %.10s: got %d, %+v, %v, want %d as %q", tt.user, tt.password, d, id, err, tt.want, tt.is)
		}
	}
	for range cap(f.hashing) {
		f.hashing <- struct{}{} // nobody can hash any more
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, user := range []string{"device", "alice"} { // the same for both, or the time would tell who is there
		if d, _, err := f.OnConnectAuthenticate(ctx, withPassword(user, token)); d != broker.Ignore || err != nil {
			t.Errorf("%s with a token: got %d, %v, want it ignored without a hash", user, d, err)
		}
	}
}
