package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/hooks/auth"
)

// decisionOf tells what a password file says of a client.
func decisionOf(t *testing.T, file, user, password string) (broker.Decision, string) {
	t.Helper()
	f, err := auth.OpenPasswordFile(file, 1)
	if err != nil {
		t.Fatal(err)
	}
	d, id, err := f.OnConnectAuthenticate(t.Context(), &broker.ConnectRequest{User: user, HasUser: true, Password: []byte(password), HasPassword: true})
	if err != nil {
		t.Fatal(err)
	}
	if id == nil {
		id = new(broker.Identity)
	}
	return d, id.App
}

func TestPasswd(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwords")
	for _, step := range []struct {
		args, in, user, password string
		want                     broker.Decision
		app                      string
	}{
		{"--password-stdin FILE alice", "one\n", "alice", "one", broker.Allow, ""},
		{"--password-stdin FILE alice", "two", "alice", "one", broker.Deny, ""},
		{"--password-stdin --app meters --hash bcrypt FILE bob", "b c\r\n", "bob", "b c", broker.Allow, "meters"},
		{"--password-stdin FILE bob", "again", "bob", "again", broker.Allow, "meters"},
		{"FILE bob --password-stdin --app=", "again", "bob", "again", broker.Allow, ""},
		{"--delete FILE alice", "", "alice", "two", broker.Ignore, ""},
		{"--password-stdin FILE carol", "\xff\x00", "carol", "\xff\x00", broker.Allow, ""},
	} {
		code, stdout, stderr := run(t, step.in, append([]string{"passwd"}, strings.Fields(strings.ReplaceAll(step.args, "FILE", file))...)...)
		if code != exitOK || stdout != "" || stderr != "" {
			t.Fatalf("%s: got %d, %q, %q", step.args, code, stdout, stderr)
		}
		if d, app := decisionOf(t, file, step.user, step.password); d != step.want || app != step.app {
			t.Errorf("%s: got %d, App %q, want %d, %q", step.args, d, app, step.want, step.app)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got mode %v, %v, want 0600", step.args, info.Mode(), err)
		}
	}
	if left, _ := filepath.Glob(file + ".*"); len(left) > 0 {
		t.Errorf("got %q left over", left)
	}
}

// A group that may read the file, such as that of the broker, still may; nobody else.
func TestPasswdKeepsReaders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwords")
	for mode, want := range map[os.FileMode]os.FileMode{0o640: 0o640, 0o644: 0o640, 0o600: 0o600, 0o666: 0o640, 0o400: 0o600} {
		if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chmod(file, mode)); err != nil {
			t.Fatal(err)
		}
		const nobody = 65534
		if os.Geteuid() == 0 { // root alone may give files away
			if err := os.Chown(file, nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
		before, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := run(t, "x", "passwd", "--password-stdin", "--hash", "bcrypt", file, "alice"); code != exitOK {
			t.Fatal(stderr)
		}
		after, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		b, a := before.Sys().(*syscall.Stat_t), after.Sys().(*syscall.Stat_t)
		if after.Mode().Perm() != want || a.Uid != b.Uid || a.Gid != b.Gid {
			t.Errorf("%v of %d:%d: got %v of %d:%d, want %v", mode, b.Uid, b.Gid, after.Mode().Perm(), a.Uid, a.Gid, want)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
}

// Lines of others stay, and a symbolic link stays one.
func TestPasswdKeepsTheRest(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "passwords"), filepath.Join(dir, "link")
	hash, err := auth.HashPassword(auth.Bcrypt, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	before, after := "# ours\n\nann:"+hash+":app\n", "zoe:"+hash+"\n"
	if err := errors.Join(os.WriteFile(file, []byte(before+"bob:"+hash+"\n"+strings.TrimSpace(after)), 0o644), os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := run(t, "y", "passwd", "--password-stdin", link, "bob"); code != exitOK {
		t.Fatal(stderr)
	}
	if data, _ := os.ReadFile(file); !strings.HasPrefix(string(data), before+"bob:$argon2id$") || !strings.HasSuffix(string(data), "\n"+after) {
		t.Errorf("got %q, want bob's line alone changed", data)
	}
	if code, _, stderr := run(t, "", "passwd", "--delete", link, "bob"); code != exitOK {
		t.Fatal(stderr)
	}
	if data, _ := os.ReadFile(file); string(data) != before+after {
		t.Errorf("got %q, want %q", data, before+after)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("got %v, %v, want a symbolic link", info.Mode(), err)
	}
}

func TestPasswdScram(t *testing.T) {
	dir := t.TempDir()
	scram, passwords := filepath.Join(dir, "scram"), filepath.Join(dir, "passwords")
	if code, _, stderr := run(t, "geheim", "passwd", "--scram", "--password-stdin", "--app", "meters", scram, "alice"); code != exitOK {
		t.Fatal(stderr)
	}
	f, err := auth.OpenScramFile(scram)
	if err != nil || f.Users() != 1 {
		t.Errorf("got %v, %v, want a user", f, err)
	}
	// The wrong kind of file stays as it is.
	before, _ := os.ReadFile(scram)
	if code, _, stderr := run(t, "geheim", "passwd", "--password-stdin", scram, "bob"); code != exitFailure || !strings.Contains(stderr, "stays as it is") {
		t.Errorf("got %d, %q, want it refused", code, stderr)
	}
	if after, _ := os.ReadFile(scram); string(after) != string(before) {
		t.Errorf("got %q, want %q", after, before)
	}
	if code, _, stderr := run(t, "gehe\x01im", "passwd", "--scram", "--password-stdin", passwords, "bob"); code != exitUsage || !strings.Contains(stderr, "printable ASCII") {
		t.Errorf("got %d, %q, want it refused", code, stderr)
	}
	if left, _ := filepath.Glob(dir + "/*.new"); len(left) > 0 {
		t.Errorf("got %q left over", left)
	}
}

func TestPasswdErrors(t *testing.T) {
	dir := t.TempDir()
	file, locked := filepath.Join(dir, "passwords"), filepath.Join(dir, "locked")
	if err := os.WriteFile(locked+".new", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const secret = "geheim"
	for _, tt := range []struct {
		args, in string
		code     int
		want     string
	}{
		{"", "", exitUsage, "name a file and a user"},
		{"FILE", "", exitUsage, "name a file and a user"},
		{"FILE alice geheim", "", exitUsage, "name a file and a user"},
		{"- alice", "", exitUsage, "name a file"},
		{"FILE a:b", "", exitUsage, "a user's name must not"},
		{"FILE #a", "", exitUsage, "a user's name must not"},
		{"FILE a\x01", "", exitUsage, "a user's name must not"},
		{"--app a/b FILE a", "", exitUsage, "an App must not"},
		{"--hash md5 FILE a", "", exitUsage, `"md5" is neither`},
		{"--scram --hash bcrypt FILE a", "", exitUsage, "--scram has a hash of its own"},
		{"--delete --password-stdin FILE a", "", exitUsage, "--delete takes no password"},
		{"FILE alice", secret, exitUsage, "standard input is no terminal"},
		{"--password-stdin FILE alice", "\n", exitUsage, "the password is empty"},
		{"--password-stdin FILE alice", secret + "\n" + secret + "\n", exitUsage, "more than one line"},
		{"--password-stdin FILE alice", strings.Repeat("x", maxPassword+1), exitUsage, "more than 65535 bytes"},
		{"--password-stdin --hash bcrypt FILE alice", strings.Repeat(secret, 13), exitUsage, "up to 72 bytes"},
		{"--delete FILE alice", "", exitFailure, "no such file"},
		{"--password-stdin " + dir + "/none/passwords alice", secret, exitFailure, "no such file"},
		{"--password-stdin " + locked + " alice", secret, exitFailure, "another passwd is running"},
	} {
		code, _, stderr := run(t, tt.in, append([]string{"passwd"}, strings.Fields(strings.ReplaceAll(tt.args, "FILE", file))...)...)
		if code != tt.code || !strings.Contains(stderr, tt.want) || strings.Contains(stderr, secret) {
			t.Errorf("%q: got %d, %q, want %d, %q", tt.args, code, stderr, tt.code, tt.want)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a file was made")
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := run(t, "", "passwd", "--delete", file, "alice"); code != exitFailure || !strings.Contains(stderr, `no user "alice"`) {
		t.Errorf("got %d, %q", code, stderr)
	}
}

func TestPasswordTwice(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		answers string // separated by commas; "!" is an error
		want    string
		err     string
	}{{"a,a", "a", ""}, {"a,b", "", "differ"}, {",", "", "empty"}, {"!", "", "broken"}, {"a,!", "", "broken"}} {
		answers := strings.Split(tt.answers, ",")
		var prompts []string
		got, err := passwordTwice(func(prompt string) ([]byte, error) {
			prompts = append(prompts, prompt)
			answer := answers[0]
			answers = answers[1:]
			if answer == "!" {
				return nil, broken
			}
			return []byte(answer), nil
		})
		if string(got) != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: got %q, %v after %q, want %q, %q", tt.answers, got, err, prompts, tt.want, tt.err)
		}
	}
}
