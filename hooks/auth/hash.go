package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Algorithm is a way to hash passwords.
type Algorithm string

// Algorithms.
const (
	// Argon2id takes 19 MiB and some 20 ms for a password, RFC 9106.
	Argon2id Algorithm = "argon2id"
	// Bcrypt takes some 50 ms and no memory to speak of. Passwords have 72 bytes at most.
	Bcrypt Algorithm = "bcrypt"
)

// What new hashes cost. OWASP's password storage cheat sheet has these.
const (
	argonMemory  = 19 << 10 // KiB
	argonTime    = 2
	argonThreads = 1
	argonSalt    = 16
	argonSum     = 32
	bcryptCost   = 10
)

// What a hash in a file may cost: a file must not take the machine down.
const (
	maxArgonMemory  = 1 << 18 // KiB
	maxArgonTime    = 16
	maxArgonThreads = 16
	maxBcryptCost   = 16
	maxBcryptBytes  = 72
)

// hash is a password hash.
type hash interface {
	// verify tells whether the password is the one. It takes its time.
	verify(password []byte) bool
	// cost is equal for hashes that take the same time.
	cost() string
}

// HashPassword returns a hash of a password with a fresh salt, as files have it. The error is for an unknown
// Algorithm, or a password that Bcrypt would cut off.
func HashPassword(a Algorithm, password []byte) (string, error) {
	switch a {
	case Argon2id:
		salt := make([]byte, argonSalt)
		rand.Read(salt)
		sum := argon2.IDKey(password, salt, argonTime, argonMemory, argonThreads, argonSum)
		b64 := base64.RawStdEncoding
		return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
			b64.EncodeToString(salt), b64.EncodeToString(sum)), nil
	case Bcrypt:
		if len(password) > maxBcryptBytes {
			return "", fmt.Errorf("bcrypt takes passwords of up to %d bytes", maxBcryptBytes)
		}
		sum, err := bcrypt.GenerateFromPassword(password, bcryptCost)
		return string(sum), err
	}
	return "", fmt.Errorf("%q is neither %s nor %s", a, Argon2id, Bcrypt)
}

// parseHash reads a hash. Its errors do not repeat the text.
func parseHash(text string) (hash, error) {
	if strings.HasPrefix(text, "$argon2id$") {
		return parseArgon(text)
	}
	return parseBcrypt(text)
}

// argonHash is one of RFC 9106, version 1.3.
type argonHash struct {
	memory, time uint32
	threads      uint8
	salt, sum    []byte
}

var argonForm = regexp.MustCompile(`^\$argon2id\$v=19\$m=([0-9]{1,7}),t=([0-9]{1,3}),p=([0-9]{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$`)

func parseArgon(text string) (hash, error) {
	m := argonForm.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("%w: want $argon2id$v=19$m=…,t=…,p=…$salt$hash", ErrHash)
	}
	var n [3]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1])
	}
	strict := base64.RawStdEncoding.Strict()
	salt, err1 := strict.DecodeString(m[4])
	sum, err2 := strict.DecodeString(m[5])
	switch {
	case n[0] > maxArgonMemory || n[1] > maxArgonTime || n[2] > maxArgonThreads:
		return nil, fmt.Errorf("%w: costs more than m=%d,t=%d,p=%d", ErrHash, maxArgonMemory, maxArgonTime, maxArgonThreads)
	case n[1] < 1 || n[2] < 1 || n[0] < 8*n[2]:
		return nil, fmt.Errorf("%w: m, t or p is too small", ErrHash)
	case err1 != nil || err2 != nil || len(salt) < 8 || len(salt) > 64 || len(sum) < 16 || len(sum) > 64:
		return nil, fmt.Errorf("%w: want 8 to 64 bytes of salt and 16 to 64 of hash in base64", ErrHash)
	}
	return &argonHash{memory: uint32(n[0]), time: uint32(n[1]), threads: uint8(n[2]), salt: salt, sum: sum}, nil
}

func (h *argonHash) verify(password []byte) bool {
	sum := argon2.IDKey(password, h.salt, h.time, h.memory, h.threads, uint32(len(h.sum)))
	return subtle.ConstantTimeCompare(sum, h.sum) == 1
}

func (h *argonHash) cost() string {
	return fmt.Sprintf("argon2id %d %d %d", h.memory, h.time, h.threads)
}

// bcryptHash is one as text.
type bcryptHash string

var bcryptForm = regexp.MustCompile(`^\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`)

func parseBcrypt(text string) (hash, error) {
	if !bcryptForm.MatchString(text) {
		return nil, ErrHash
	}
	// Some programs write 2y for what is 2b, and 2x for what is broken.
	if text[2] == 'x' {
		return nil, fmt.Errorf("%w: bcrypt 2x", ErrHash)
	}
	cost, err := bcrypt.Cost([]byte(text))
	switch {
	case err != nil:
		return nil, ErrHash
	case cost > maxBcryptCost:
		return nil, fmt.Errorf("%w: bcrypt with a cost above %d", ErrHash, maxBcryptCost)
	}
	return bcryptHash(text), nil
}

func (h bcryptHash) verify(password []byte) bool {
	// bcrypt ignores what is behind its 72 bytes: the password and something behind it is another password.
	fits := len(password) <= maxBcryptBytes
	same := bcrypt.CompareHashAndPassword([]byte(h), password[:min(len(password), maxBcryptBytes)]) == nil
	return fits && same
}

func (h bcryptHash) cost() string { return string(h[:7]) }
