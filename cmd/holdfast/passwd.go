package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/holdfast-mqtt/holdfast/hooks/auth"
)

const passwdNotes = `FILE has a user on each line and is made if it is not there, with mode 0600: run this as the user that the broker
runs as. It is replaced as a whole, and stays its owner's and its group's; a group that may read it still may. The broker
reads it again by itself. A user who is there already gets the new password, and keeps its App unless --app is given.

Examples:
  holdfast passwd /etc/holdfast/passwords alice
  pwgen 24 1 | holdfast passwd --password-stdin --app meters passwords meter-17
  holdfast passwd --scram /etc/holdfast/scram alice
  holdfast passwd --delete passwords alice

Exit codes: 0 done, 1 the file could not be read or written, 2 wrong command line or password.
`

// maxPassword is the greatest length of a password in MQTT, in bytes.
const maxPassword = 65535

// passwdFlags are what passwd is to do.
type passwdFlags struct {
	scram, stdin, remove bool
	hash                 string
	app                  string
	hasApp               bool
	file, user           string
}

func runPasswd(ctx context.Context, args []string, stdio Stdio) int {
	fs := newFlagSet(stdio, "passwd", "passwd [flags] FILE USER", passwdNotes)
	var f passwdFlags
	fs.StringVar(&f.hash, "hash", string(auth.Argon2id), "`algorithm` of the hash: argon2id or bcrypt")
	fs.BoolVar(&f.scram, "scram", false, "FILE is for SCRAM-SHA-256, an authentication method of MQTT 5")
	fs.StringVar(&f.app, "app", "", "the `App` that the user belongs to; empty for that of the listener")
	fs.BoolVar(&f.stdin, "password-stdin", false, "read the password from standard input, up to its end")
	fs.BoolVar(&f.remove, "delete", false, "remove the user")
	if code, done := parseArgs(fs, stdio, args, func() error { return f.check(fs) }); done {
		return code
	}
	line := ""
	if !f.remove {
		password, err := f.password(ctx, stdio)
		if err == nil {
			line, err = f.line(password)
		}
		if err != nil {
			return usageError(stdio, fs.Name(), err)
		}
	}
	if err := f.edit(line); err != nil {
		return failure(stdio, fs.Name(), err)
	}
	return exitOK
}

// check says what is wrong with the command line.
func (f *passwdFlags) check(fs *pflag.FlagSet) error {
	if fs.NArg() != 2 {
		return errors.New("name a file and a user")
	}
	f.file, f.user, f.hasApp = fs.Arg(0), fs.Arg(1), fs.Changed("app")
	switch {
	case f.file == "" || f.file == "-":
		return errors.New("name a file")
	case f.user == "" || f.user[0] == '#' || strings.Contains(f.user, ":") || !isPrintable(f.user):
		return errors.New("a user's name must not be empty, begin with '#', or hold ':' or control characters")
	case f.app != "" && (strings.ContainsAny(f.app, ":/+# ") || !isPrintable(f.app)):
		return errors.New("an App must not hold ':', '/', '+', '#', spaces or control characters")
	case f.scram && fs.Changed("hash"):
		return errors.New("--scram has a hash of its own, without --hash")
	case f.hash != string(auth.Argon2id) && f.hash != string(auth.Bcrypt):
		return fmt.Errorf("--hash %q is neither argon2id nor bcrypt", f.hash)
	case f.remove && (f.hasApp || f.stdin || fs.Changed("hash")):
		return errors.New("--delete takes no password or App")
	}
	return nil
}

func isPrintable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// password reads the new password.
func (f *passwdFlags) password(ctx context.Context, stdio Stdio) ([]byte, error) {
	if f.stdin {
		return passwordFrom(stdio.In)
	}
	terminal, ok := stdio.In.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return nil, errors.New("standard input is no terminal: give the password with --password-stdin")
	}
	return passwordTwice(func(prompt string) ([]byte, error) {
		fmt.Fprint(stdio.Err, prompt)
		defer fmt.Fprintln(stdio.Err)
		return readHidden(ctx, int(terminal.Fd()))
	})
}

// passwordFrom reads a password to the end. A line break behind it is no part of it.
func passwordFrom(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxPassword+3))
	if err != nil {
		return nil, fmt.Errorf("read the password: %w", err)
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	switch {
	case len(data) == 0:
		return nil, errors.New("the password is empty")
	case len(data) > maxPassword:
		return nil, fmt.Errorf("the password has more than %d bytes", maxPassword)
	case bytes.ContainsAny(data, "\r\n"):
		return nil, errors.New("the password has more than one line")
	}
	return data, nil
}

// passwordTwice asks for a password, and once more, for it can't be seen.
func passwordTwice(ask func(prompt string) ([]byte, error)) ([]byte, error) {
	first, err := ask("Password: ")
	if err != nil {
		return nil, err
	}
	if len(first) == 0 {
		return nil, errors.New("the password is empty")
	}
	second, err := ask("Once more: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, second) {
		return nil, errors.New("the two passwords differ")
	}
	return first, nil
}

// readHidden reads a line that the terminal does not show. If ctx ends, the terminal is as it was before; the goroutine that reads
// ends with the process, for nothing else ends a read.
func readHidden(ctx context.Context, fd int) ([]byte, error) {
	state, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	type result struct {
		line []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		line, err := term.ReadPassword(fd)
		done <- result{line, err}
	}()
	select {
	case r := <-done:
		return r.line, r.err
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), term.Restore(fd, state))
	}
}

// line is the user's line, without its App.
func (f *passwdFlags) line(password []byte) (string, error) {
	var secret string
	var err error
	if f.scram {
		secret, err = auth.HashScram(password)
	} else {
		secret, err = auth.HashPassword(auth.Algorithm(f.hash), password)
	}
	return f.user + ":" + secret, err
}

// edit puts a line into the file, or takes the user's out if it is empty. All others stay as they are.
func (f *passwdFlags) edit(line string) error {
	path, old, err := readUsers(f.file)
	if errors.Is(err, fs.ErrNotExist) && !f.remove {
		path, old, err = f.file, nil, nil
	}
	if err != nil {
		return err
	}
	var b bytes.Buffer
	found := false
	for l := range bytes.Lines(old) {
		text := strings.TrimRight(string(l), "\r\n")
		if user, rest, _ := strings.Cut(text, ":"); user != f.user {
			fmt.Fprintln(&b, text)
		} else if !found { // a second one would make the file bad
			found = true
			f.put(&b, line, rest)
		}
	}
	switch {
	case found:
	case f.remove:
		return fmt.Errorf("%s: there is no user %q", f.file, f.user)
	default:
		f.put(&b, line, "")
	}
	return f.replace(path, b.Bytes())
}

// put writes a line with the App that is asked for, or else the one of old, the line's rest before.
func (f *passwdFlags) put(b *bytes.Buffer, line, old string) {
	if line == "" {
		return
	}
	app := f.app
	if !f.hasApp {
		_, app, _ = strings.Cut(old, ":")
	}
	if app != "" {
		line += ":" + app
	}
	fmt.Fprintln(b, line)
}

// readUsers reads a file, and returns its own name if path is a symbolic link.
func readUsers(path string) (own string, data []byte, err error) {
	own, err = filepath.EvalSymlinks(path)
	if err != nil {
		return "", nil, err
	}
	data, err = os.ReadFile(own)
	return own, data, err
}

// sameReaders gives the file that is to take the place of path the owner, group and group's right to read of that, or the broker
// might not be able to read it any more.
func sameReaders(h *os.File, path string) error {
	old, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := keepOwner(h, old); err != nil {
		return fmt.Errorf("%s belongs to another user or group: run this as that user, or as root: %w", path, err)
	}
	return h.Chmod(0o600 | old.Mode().Perm()&0o040)
}

// replace has a file hold data, all of it or nothing. The new file is checked before: a password in a file for
// SCRAM, or the other way round, would keep the broker from reading it.
func (f *passwdFlags) replace(path string, data []byte) (err error) {
	next := path + ".new"
	h, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there: another passwd is running, or has been killed; then remove it", next)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(next))
		}
	}()
	_, err = h.Write(data)
	if err = errors.Join(err, sameReaders(h, path), h.Sync(), h.Close()); err != nil {
		return err
	}
	if f.scram {
		_, err = auth.OpenScramFile(next)
	} else {
		_, err = auth.OpenPasswordFile(next, 1)
	}
	if err != nil {
		return fmt.Errorf("%s stays as it is: %w", f.file, err)
	}
	if err := os.Rename(next, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil // the file is there, if not for sure after a power cut
	}
	_ = dir.Sync()
	return dir.Close()
}
