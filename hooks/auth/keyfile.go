package auth

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/holdfast-mqtt/holdfast/internal/reload"
)

// KeyFile has the keys that are in a file, which may change.
type KeyFile struct{ file *reload.File[KeySet] }

var _ KeySource = (*KeyFile)(nil)

// OpenKeyFile reads a file of public keys in PEM, see ParsePEM, or of a key set, see ParseJWKS.
func OpenKeyFile(path string) (*KeyFile, error) {
	return openKeys(path, func(data []byte) (*KeySet, error) {
		if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
			return ParseJWKS(data)
		}
		return ParsePEM(data)
	})
}

// OpenSecretFile reads a file whose content is a secret, see NewSecret. A line break at its end is no part of it.
// A file of public keys is refused: everybody could make tokens.
func OpenSecretFile(path string) (*KeyFile, error) {
	return openKeys(path, func(data []byte) (*KeySet, error) {
		if bytes.Contains(data, []byte("-----BEGIN ")) || bytes.Contains(data, []byte(`"kty"`)) {
			return nil, fmt.Errorf("%w: this is a file of keys, not a secret", ErrKey)
		}
		return NewSecret(bytes.TrimRight(data, "\r\n"))
	})
}

func openKeys(path string, parse func([]byte) (*KeySet, error)) (*KeyFile, error) {
	f, err := reload.Open(path, maxKeysDoc, parse)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return &KeyFile{file: f}, nil
}

func (f *KeyFile) find(ctx context.Context, alg, id string) ([]jwt.VerificationKey, error) {
	return f.file.Load().find(ctx, alg, id)
}

// Reload reads the file if it has changed, and tells whether it has. After an error the old keys stay.
func (f *KeyFile) Reload() (changed bool, err error) { return f.file.Reload() }

// Run reloads the file every so often until ctx ends. It logs what is wrong with the file.
func (f *KeyFile) Run(ctx context.Context, every time.Duration, log *slog.Logger) {
	f.file.Run(ctx, every, log)
}
