package auth

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

func writeBans(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestBanList(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bans.yaml")
	writeBans(t, path, `
- client: pump-17
- user: mallory
  app: meters
  note: until her bill is paid
- client: " odd: name"
  app: meters
`)
	l, err := OpenBanList(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(app, clientID, user string, want bool) {
		t.Helper()
		err := l.OnConnect(&broker.Connecting{App: app, ClientID: clientID, User: user})
		if errors.Is(err, broker.ErrBanned) != want || (err != nil) != want {
			t.Errorf("%s, client %q, user %q: got %v, want banned %t", app, clientID, user, err, want)
		}
	}
	check("default", "pump-17", "", true)
	check("meters", "pump-17", "alice", true)
	check("default", "pump-1", "", false)
	check("meters", "a", "mallory", true)
	check("default", "a", "mallory", false)
	check("meters", "mallory", "pump-17", false) // the other kind of name
	check("meters", " odd: name", "", true)
	check("meters", "", "", false)

	writeBans(t, path, "# nobody\n")
	if changed, err := l.file.Reload(); !changed || err != nil {
		t.Fatalf("Reload: got %t, %v", changed, err)
	}
	check("default", "pump-17", "", false)
	writeBans(t, path, "- client: pump-17\n- {}\n")
	if _, err := l.file.Reload(); err == nil || !strings.Contains(err.Error(), "entry 2") {
		t.Errorf("Reload: got %v, want an error that names entry 2", err)
	}
	check("default", "pump-17", "", false) // what was before stands
}

func TestBanListFaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bans.yaml")
	for text, want := range map[string]string{
		"- client: a\n  user: b\n":      "one of them alone",
		"- app: meters\n":               "entry 1",
		"- clients: [a]\n":              "line 1",
		"client: a\n":                   "cannot unmarshal",
		"- client: a\n---\n- user: b\n": "more than one",
		"- client: [a\n":                "line",
	} {
		writeBans(t, path, text)
		if _, err := OpenBanList(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: got %v, want %q and the path in it", text, err, want)
		}
	}
	if _, err := OpenBanList(path + ".none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}
