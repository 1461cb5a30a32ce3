package auth

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"time"

	"github.com/holdfast-mqtt/holdfast/internal/reload"
)

// What SCRAM secrets are made of. RFC 7677 asks for 4,096 iterations at least; they cost the device, not us.
const (
	scramIterations    = 10_000
	minScramIterations = 4096
	maxScramIterations = 10_000_000
	scramSalt          = 16
	maxScramSalt       = 64
)

// scramSecret is what a server knows of a password, RFC 5802 3: enough to verify, not to log in.
type scramSecret struct {
	salt       []byte
	iterations int
	storedKey  [sha256.Size]byte
	serverKey  [sha256.Size]byte
	app        string
}

// HashScram returns what SCRAM-SHA-256 needs of a password, with a fresh salt, as files have it. A password must be
// printable ASCII: of others SASLprep (RFC 4013) makes what clients do not agree on.
func HashScram(password []byte) (string, error) {
	for _, c := range password {
		if c < 0x20 || c > 0x7e {
			return "", errors.New("passwords for SCRAM are printable ASCII")
		}
	}
	if len(password) == 0 {
		return "", errors.New("passwords for SCRAM are not empty")
	}
	salt := make([]byte, scramSalt)
	rand.Read(salt)
	s, err := newScramSecret(string(password), salt, scramIterations)
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$scram-sha-256$i=%d$%s$%s$%s", s.iterations, b64.EncodeToString(s.salt),
		b64.EncodeToString(s.storedKey[:]), b64.EncodeToString(s.serverKey[:])), nil
}

func newScramSecret(password string, salt []byte, iterations int) (*scramSecret, error) {
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return nil, err
	}
	s := &scramSecret{salt: salt, iterations: iterations, serverKey: mac(salted, "Server Key")}
	clientKey := mac(salted, "Client Key")
	s.storedKey = sha256.Sum256(clientKey[:])
	return s, nil
}

// mac is HMAC-SHA-256.
func mac(key []byte, text string) [sha256.Size]byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return [sha256.Size]byte(m.Sum(nil))
}

// ScramFile has the users of a file, one on each line:
//
//	USER:$scram-sha-256$i=ITERATIONS$SALT$STOREDKEY$SERVERKEY[:APP]
//
// in base64 without padding. Empty lines and those that begin with '#' say nothing. `holdfast passwd --scram` writes it.
// Whoever has it can pose as the server, but not as a client.
type ScramFile struct{ file *reload.File[scramUsers] }

// scramUsers is what a file says. It does not change.
type scramUsers struct {
	secrets map[string]*scramSecret
	usual   scramShape // of the most users: what is said of users who are not there
}

// scramShape is what a client is told that does not depend on its user's salt and password.
type scramShape struct{ iterations, salt int } // bytes of salt

// OpenScramFile reads a file. The error names each bad line.
func OpenScramFile(path string) (*ScramFile, error) {
	f, err := reload.Open(path, maxCredentials, parseScramUsers)
	if err != nil {
		return nil, fmt.Errorf("read SCRAM file: %w", err)
	}
	return &ScramFile{file: f}, nil
}

// Reload reads the file if it has changed, and tells whether it has. After an error the old users stay.
func (f *ScramFile) Reload() (changed bool, err error) { return f.file.Reload() }

// Run reloads the file every so often until ctx ends. It logs what is wrong with the file.
func (f *ScramFile) Run(ctx context.Context, every time.Duration, log *slog.Logger) {
	f.file.Run(ctx, every, log)
}

// Users returns the number of users.
func (f *ScramFile) Users() int { return len(f.file.Load().secrets) }

func parseScramUsers(data []byte) (*scramUsers, error) {
	u := &scramUsers{secrets: make(map[string]*scramSecret), usual: scramShape{scramIterations, scramSalt}}
	count := make(map[scramShape]int)
	err := parseCredentials(data, func(user, text, app string) error {
		s, err := parseScramSecret(text)
		if err != nil {
			return err
		}
		if u.secrets[user] != nil {
			return errTwice
		}
		s.app = app
		u.secrets[user] = s
		shape := scramShape{s.iterations, len(s.salt)}
		count[shape]++
		if count[shape] > count[u.usual] {
			u.usual = shape
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

var (
	scramForm      = regexp.MustCompile(`^\$scram-sha-256\$i=([0-9]{1,8})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$`)
	errScramSecret = errors.New("want $scram-sha-256$i=ITERATIONS$SALT$STOREDKEY$SERVERKEY")
)

func parseScramSecret(text string) (*scramSecret, error) {
	m := scramForm.FindStringSubmatch(text)
	if m == nil {
		return nil, errScramSecret
	}
	n, _ := strconv.Atoi(m[1])
	if n < minScramIterations || n > maxScramIterations {
		return nil, fmt.Errorf("want %d to %d iterations", minScramIterations, maxScramIterations)
	}
	b64 := base64.RawStdEncoding.Strict()
	salt, err1 := b64.DecodeString(m[2])
	stored, err2 := b64.DecodeString(m[3])
	server, err3 := b64.DecodeString(m[4])
	if err := errors.Join(err1, err2, err3); err != nil || len(salt) < 8 || len(salt) > maxScramSalt || len(stored) != sha256.Size || len(server) != sha256.Size {
		return nil, errScramSecret
	}
	return &scramSecret{salt: salt, iterations: n, storedKey: [sha256.Size]byte(stored), serverKey: [sha256.Size]byte(server)}, nil
}
