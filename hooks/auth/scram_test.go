package auth

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// The example of RFC 7677 3: user "user", password "pencil".
const (
	rfcClientFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
	rfcServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	rfcServerFirst = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	rfcClientFinal = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	rfcServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
	rfcSalt        = "W22ZaJ0SNY7soEsUEjb6gQ=="
)

// scramLine is a line for a user with few iterations.
func scramLine(t testing.TB, user, password, salt, app string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(salt)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newScramSecret(password, raw, minScramIterations)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawStdEncoding.EncodeToString
	line := fmt.Sprintf("%s:$scram-sha-256$i=%d$%s$%s$%s", user, s.iterations, b64(s.salt), b64(s.storedKey[:]), b64(s.serverKey[:]))
	if app != "" {
		line += ":" + app
	}
	return line + "\n"
}

func newScram(t testing.TB, lines string, failures *Failures) *SCRAM {
	t.Helper()
	f, err := OpenScramFile(writeFile(t, "scram", lines))
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSCRAM(f, []byte("0123456789abcdef"), failures)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func step(t *testing.T, e broker.Exchange, data string) (string, broker.Decision, *broker.Identity, error) {
	t.Helper()
	answer, d, id, err := e.Step(t.Context(), []byte(data))
	return string(answer), d, id, err
}

func TestScramExampleOfRFC7677(t *testing.T) {
	s := newScram(t, scramLine(t, "user", "pencil", rfcSalt, "meters"), nil)
	s.nonce = func() string { return rfcServerNonce }
	if got := s.Method(); got != "SCRAM-SHA-256" {
		t.Errorf("got %q", got)
	}
	e := s.Begin(withPassword("somebody", ""))
	if got, d, id, err := step(t, e, rfcClientFirst); got != rfcServerFirst || d != broker.Ignore || id != nil || err != nil {
		t.Errorf("got %q, %d, %v, %v, want %q", got, d, id, err, rfcServerFirst)
	}
	got, d, id, err := step(t, e, rfcClientFinal)
	if got != rfcServerFinal || d != broker.Allow || err != nil || *id != (broker.Identity{User: "user", App: "meters"}) {
		t.Errorf("got %q, %d, %+v, %v, want %q", got, d, id, err, rfcServerFinal)
	}
	if _, d, _, err := step(t, e, rfcClientFinal); d != broker.Deny || !errors.Is(err, ErrScram) {
		t.Errorf("once more: got %d, %v, want Deny", d, err)
	}
}

// scramClient proves that it knows a password to whatever server-first-message it gets.
func scramClient(t testing.TB, header, bare, serverFirst, password string) string {
	t.Helper()
	fields := strings.Split(serverFirst, ",")
	salt, err1 := base64.StdEncoding.DecodeString(fields[1][2:])
	n, err2 := strconv.Atoi(fields[2][2:])
	salted, err3 := pbkdf2.Key(sha256.New, password, salt, n, 32)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	clientKey := mac(salted, "Client Key")
	stored := sha256.Sum256(clientKey[:])
	without := "c=" + base64.StdEncoding.EncodeToString([]byte(header)) + "," + fields[0]
	signature := mac(stored[:], bare+","+serverFirst+","+without)
	proof := make([]byte, 32)
	subtle.XORBytes(proof, clientKey[:], signature[:])
	return without + ",p=" + base64.StdEncoding.EncodeToString(proof)
}

func TestScramDecisions(t *testing.T) {
	s := newScram(t, scramLine(t, "alice", "wonderland", rfcSalt, "")+scramLine(t, "a,b=c", "x y", rfcSalt, ""), nil)
	for _, tt := range []struct {
		name, header, bare, password string
		want                         broker.Decision
	}{
		{"right", "n,,", "n=alice,r=12345678", "wonderland", broker.Allow},
		{"wrong", "n,,", "n=alice,r=12345678", "Wonderland", broker.Deny},
		{"unknown", "n,,", "n=mallory,r=12345678", "wonderland", broker.Deny},
		{"could bind", "y,,", "n=alice,r=12345678", "wonderland", broker.Allow},
		{"acts for itself", "n,a=alice,", "n=alice,r=12345678", "wonderland", broker.Allow},
		{"a name that needs encoding", "n,,", "n=a=2Cb=3Dc,r=12345678", "x y", broker.Allow},
		{"an optional extension", "n,,", "n=alice,r=12345678,x=1", "wonderland", broker.Allow},
	} {
		e := s.Begin(&broker.ConnectRequest{})
		first, d, _, err := step(t, e, tt.header+tt.bare)
		if d != broker.Ignore || err != nil {
			t.Errorf("%s: got %d, %v, want the exchange to go on", tt.name, d, err)
			continue
		}
		_, d, id, err := step(t, e, scramClient(t, tt.header, tt.bare, first, tt.password))
		if d != tt.want || err != nil || (id != nil) != (d == broker.Allow) {
			t.Errorf("%s: got %d, %v, %v, want %d", tt.name, d, id, err, tt.want)
		}
	}
}

func TestScramBadFirstMessages(t *testing.T) {
	s := newScram(t, scramLine(t, "alice", "geheim", rfcSalt, ""), nil)
	for _, tt := range []struct{ data, want string }{
		{"", "a message is empty"},
		{"n,,n=alice,r=" + strings.Repeat("x", maxScram), "a message is empty"},
		{"n,,n=alice,r=12345678\n", "a message is empty"},
		{"n,,n=al\x00ice,r=12345678", "a message is empty"},
		{"n,,n=\xff,r=12345678", "a message is empty"},
		{"n=alice,r=12345678", "no GS2 header"},
		{"n", "no GS2 header"},
		{"p=tls-unique,,n=alice,r=12345678", "channel binding is not supported"},
		{"x,,n=alice,r=12345678", "the GS2 header is none"},
		{"n,a=bob,n=alice,r=12345678", "act for another user"},
		{"n,alice,n=alice,r=12345678", "act for another user"},
		{"n,,m=geheim,n=alice,r=12345678", "an extension is mandatory"},
		{"n,,r=12345678,n=alice", "no user or nonce"},
		{"n,,n=alice", "no user or nonce"},
		{"n,,n=,r=12345678", "the user's name is none"},
		{"n,,n=a=b,r=12345678", "the user's name is none"},
		{"n,,n=a=2c,r=12345678", "the user's name is none"},
		{"n,,n=alice,r=1234567", "the nonce is none"},
		{"n,,n=alice,r=1234 678", "the nonce is none"},
		{"n,,n=alice,r=" + strings.Repeat("x", 257), "the nonce is none"},
		{"n,,n=alice,r=12345678,x", "an extension is none"},
		{"n,,n=alice,r=12345678,m=1", "an extension is none"},
	} {
		e := s.Begin(&broker.ConnectRequest{})
		answer, d, id, err := step(t, e, tt.data)
		if d != broker.Deny || answer != "" || id != nil || !errors.Is(err, ErrScram) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60q: got %q, %d, %v, want Deny, %q", tt.data, answer, d, err, tt.want)
		}
		if _, d, _, err := step(t, e, "n,,n=alice,r=12345678"); d != broker.Deny || !errors.Is(err, ErrScram) {
			t.Errorf("%.60q: got %d, %v for another try in one exchange, want Deny", tt.data, d, err)
		}
	}
}

func TestScramBadFinalMessages(t *testing.T) {
	s := newScram(t, scramLine(t, "user", "pencil", rfcSalt, ""), nil)
	s.nonce = func() string { return rfcServerNonce }
	proof := rfcClientFinal[strings.Index(rfcClientFinal, ",p="):]
	nonce := ",r=rOprNGfwEbeRWgbNEkqO" + rfcServerNonce
	for _, tt := range []struct{ data, want string }{
		{"", "a message is empty"},
		{"c=biws" + nonce, "has no proof"},
		{"c=biws" + nonce + ",p=", "the proof is none"},
		{"c=biws" + nonce + ",p=AAAA", "the proof is none"},
		{"c=biws" + nonce + strings.TrimRight(proof, "="), "the proof is none"},
		{"c=biws" + nonce + strings.Replace(proof, "dVQ=", "dVR=", 1), "the proof is none"},
		{"c=biws" + nonce + proof + ",x=1", "the proof is none"},
		{"c=biws" + proof, "has no nonce"},
		{nonce[1:] + ",c=biws" + proof, "has no nonce"},
		{"c=eSws" + nonce + proof, "the GS2 header is another"},
		{"c=" + nonce + proof, "the GS2 header is another"},
		{"c=biws,r=rOprNGfwEbeRWgbNEkqO" + proof, "the nonce is another"},
		{"c=biws" + nonce + "x" + proof, "the nonce is another"},
		{"c=biws" + nonce + ",m=1" + proof, "an extension is none"},
	} {
		e := s.Begin(&broker.ConnectRequest{})
		if _, d, _, err := step(t, e, rfcClientFirst); d != broker.Ignore || err != nil {
			t.Fatal(d, err)
		}
		answer, d, id, err := step(t, e, tt.data)
		if d != broker.Deny || answer != "" || id != nil || !errors.Is(err, ErrScram) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %q, %d, %v, want Deny, %q", tt.data, answer, d, err, tt.want)
		}
	}
}

// A user who is not there looks like one who is: the same salt each time, another one for each, as many iterations.
func TestScramUnknownUsers(t *testing.T) {
	s := newScram(t, scramLine(t, "alice", "x", rfcSalt, ""), nil)
	saltOf := func(s *SCRAM, user string) string {
		first, _, _, err := step(t, s.Begin(&broker.ConnectRequest{}), "n,,n="+user+",r=12345678")
		fields := strings.Split(first, ",")
		if err != nil || len(fields) != 3 || fields[2] != "i=4096" || len(fields[1]) != len("s="+rfcSalt) {
			t.Fatalf("got %q, %v", first, err)
		}
		return fields[1]
	}
	bob := saltOf(s, "bob")
	if again, other := saltOf(s, "bob"), saltOf(s, "carol"); again != bob || other == bob {
		t.Errorf("got salts %s and %s of one user, %s of another", bob, again, other)
	}
	other, err := NewSCRAM(s.users, []byte("another node's.."), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := saltOf(other, "bob"); got == bob {
		t.Error("the salt does not depend on the secret")
	}
	if _, err := NewSCRAM(s.users, []byte("short"), nil); err == nil {
		t.Error("got no error for a short secret")
	}
}

// Other programs make salts of other lengths: a user who is not there has one like most.
func TestScramUnknownUsersSaltLength(t *testing.T) {
	line := func(user string, salt int) string {
		return scramLine(t, user, "x", base64.StdEncoding.EncodeToString(make([]byte, salt)), "") + "\n"
	}
	for _, size := range []int{8, 12, 33, 64} {
		s := newScram(t, line("alice", 16)+line("bob", size)+line("carol", size), nil)
		seen := make(map[string]bool)
		for _, user := range []string{"mallory", "trudy"} {
			secret, known := s.secretOf(user)
			if known || len(secret.salt) != size || seen[string(secret.salt)] {
				t.Errorf("got a salt of %d bytes, known %v, want another one of %d", len(secret.salt), known, size)
			}
			seen[string(secret.salt)] = true
		}
	}
}

func TestScramFailures(t *testing.T) {
	s := newScram(t, scramLine(t, "alice", "x", rfcSalt, ""), NewFailures(FailuresConfig{Burst: 2, Every: time.Hour}))
	fail := func() error {
		e := s.Begin(withPassword("", ""))
		first, d, _, err := step(t, e, "n,,n=alice,r=12345678")
		if d == broker.Ignore {
			_, _, _, err = step(t, e, scramClient(t, "n,,", "n=alice,r=12345678", first, "wrong"))
		}
		return err
	}
	for i, want := range []error{nil, nil, ErrTooManyFailures} {
		if err := fail(); !errors.Is(err, want) {
			t.Errorf("failure %d: got %v, want %v", i, err, want)
		}
	}
}

func TestScramFile(t *testing.T) {
	text, err := HashScram([]byte("wonderland"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := OpenScramFile(writeFile(t, "scram", "# users\nalice:"+text+":meters\n"))
	if err != nil || f.Users() != 1 {
		t.Fatalf("got %v, %v, want a user", f, err)
	}
	s, err := NewSCRAM(f, []byte("0123456789abcdef"), nil)
	if err != nil {
		t.Fatal(err)
	}
	e := s.Begin(&broker.ConnectRequest{})
	first, _, _, _ := step(t, e, "n,,n=alice,r=12345678")
	if _, d, id, err := step(t, e, scramClient(t, "n,,", "n=alice,r=12345678", first, "wonderland")); d != broker.Allow || err != nil || id.App != "meters" {
		t.Errorf("got %d, %+v, %v, want Allow", d, id, err)
	}
	if changed, err := f.Reload(); err != nil {
		t.Errorf("got %v, %v", changed, err)
	}
	for _, password := range []string{"", "pässword", "a\x00b", "a\tb"} {
		if _, err := HashScram([]byte(password)); err == nil || password != "" && strings.Contains(err.Error(), password) {
			t.Errorf("%q: got %v, want an error without it", password, err)
		}
	}
}

func TestBadScramFiles(t *testing.T) {
	good := strings.TrimSpace(scramLine(t, "alice", "x", rfcSalt, ""))
	for _, tt := range []struct{ name, text, want string }{
		{"a password file", "alice:" + bcryptVector, "line 1: want $scram-sha-256$"},
		{"few iterations", strings.Replace(good, "i=4096", "i=4095", 1), "line 1: want 4096 to"},
		{"many iterations", strings.Replace(good, "i=4096", "i=99999999", 1), "line 1: want 4096 to"},
		{"short salt", strings.Replace(good, rfcSalt[:22], "AAAA", 1), "line 1: want $scram"},
		{"short key", good[:len(good)-4], "line 1: want $scram"},
		{"bits behind a key", good[:len(good)-1] + "B", "line 1: want $scram"},
		{"twice", good + "\n" + good, "line 2: the user is there twice"},
		{"App", good + ":a/b", "line 1: an App"},
	} {
		_, err := OpenScramFile(writeFile(t, "scram", tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), rfcSalt[:10]) {
			t.Errorf("%s: got %v, want %q without what is in it", tt.name, err, tt.want)
		}
	}
}

func FuzzScram(f *testing.F) {
	f.Add([]byte(rfcClientFirst), []byte(rfcClientFinal))
	f.Add([]byte("y,a=u=2Cx,n=u=2Cx,r=12345678,x=1"), []byte("c=eSws,r=,p="))
	s := newScram(f, scramLine(f, "user", "pencil", rfcSalt, ""), nil)
	s.nonce = func() string { return rfcServerNonce }
	f.Fuzz(func(t *testing.T, first, final []byte) {
		e := s.Begin(&broker.ConnectRequest{})
		answer, d, _, err := e.Step(context.Background(), first)
		if d == broker.Allow || (d == broker.Ignore) != (err == nil && len(answer) > 0) {
			t.Fatalf("got %q, %d, %v", answer, d, err)
		}
		_, d, id, _ := e.Step(context.Background(), final)
		if d == broker.Ignore || d == broker.Allow && (!bytes.Equal(first, []byte(rfcClientFirst)) || !slices.Equal(final, []byte(rfcClientFinal)) || id.User != "user") {
			t.Errorf("got %d, %+v for %q, %q", d, id, first, final)
		}
	})
}
