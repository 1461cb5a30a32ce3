package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt"
	"github.com/holdfast-mqtt/holdfast/center"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/hooks/acl"
	"github.com/holdfast-mqtt/holdfast/hooks/auth"
	"github.com/holdfast-mqtt/holdfast/internal/reload"
)

// authFilesEvery is how often files of users, keys and rules are looked at, whether they have changed.
const authFilesEvery = 5 * time.Second

// guard is who decides about clients, and what runs beside that.
type guard struct {
	log    *slog.Logger
	links  []auth.Link
	chain  *auth.Chain // of links; nil if everybody is let in
	beside []func(context.Context)
	close  []func()
}

// guardRoom puts into mc who decides about clients. What it returns must be run, and closed at the end; it is nil if
// everybody is let in.
func guardRoom(c *config.Config, log *slog.Logger, mc *mqtt.Config) (*guard, error) {
	a := &c.Auth
	g := &guard{log: log}
	exempt, err := a.Exempt()
	failures := auth.NewFailures(auth.FailuresConfig{Exempt: exempt})
	err = errors.Join(err, g.passwords(a), g.certificates(a), g.tokens(a), g.service(a), g.scram(c, failures, mc), g.rules(a, mc))
	if err != nil {
		g.shut()
		return nil, err
	}
	if len(g.links) > 0 || len(mc.Enhanced) > 0 {
		if a.Anonymous {
			g.links = append(g.links, auth.Link{Name: "anonymous", Hook: auth.Anonymous{}})
		}
		g.chain = auth.NewChain(failures, g.links...)
		mc.Authenticator = g.chain
	}
	return g, nil
}

func (g *guard) link(name string, hook broker.Authenticator) {
	g.links = append(g.links, auth.Link{Name: name, Hook: hook})
}

func (g *guard) passwords(a *config.Auth) error {
	if a.PasswordFile == "" {
		return nil
	}
	f, err := auth.OpenPasswordFile(a.PasswordFile, 0)
	if err != nil {
		return fmt.Errorf("auth.password_file: %w", err)
	}
	f.LeaveTokens = a.ByToken()
	g.link("password_file", f)
	g.beside = append(g.beside, func(ctx context.Context) { f.Run(ctx, authFilesEvery, g.log) })
	return nil
}

func (g *guard) certificates(a *config.Auth) error {
	if a.ByCertificate() {
		g.link("certificate", auth.ClientCertificate{
			User: auth.CertificateField(a.CertificateUser), ClientID: auth.CertificateField(a.CertificateClientID),
		})
	}
	return nil
}

// tokens adds JSON Web Tokens.
func (g *guard) tokens(a *config.Auth) error {
	jc := auth.JWTConfig{Issuer: a.JWTIssuer, Leeway: 10 * time.Second, Grant: grant}
	if a.JWTAudience != "" {
		jc.Audience = []string{a.JWTAudience}
	}
	switch {
	case a.JWTSecretFile != "":
		f, err := auth.OpenSecretFile(a.JWTSecretFile)
		if err != nil {
			return fmt.Errorf("auth.jwt_secret_file: %w", err)
		}
		jc.Keys = f
		g.beside = append(g.beside, func(ctx context.Context) { f.Run(ctx, authFilesEvery, g.log) })
	case a.JWTKeyFile != "":
		f, err := auth.OpenKeyFile(a.JWTKeyFile)
		if err != nil {
			return fmt.Errorf("auth.jwt_key_file: %w", err)
		}
		jc.Keys = f
		g.beside = append(g.beside, func(ctx context.Context) { f.Run(ctx, authFilesEvery, g.log) })
	case a.JWTKeysURL != "":
		r, err := auth.NewRemoteKeys(auth.RemoteKeysConfig{URL: a.JWTKeysURL, Plain: a.HTTPPlain})
		if err != nil {
			return fmt.Errorf("auth.jwt_keys_url: %w", err)
		}
		jc.Keys = r
		g.beside = append(g.beside, func(ctx context.Context) { r.Run(ctx, g.log) })
	default:
		return nil
	}
	j, err := auth.NewJWT(jc)
	if err != nil {
		return fmt.Errorf("auth.jwt: %w", err)
	}
	g.link("jwt", j)
	return nil
}

// grant makes permissions of lists in tokens and answers.
func grant(publish, subscribe []string) (broker.Permissions, error) {
	return acl.NewGrant(publish, subscribe)
}

// service adds the web service.
func (g *guard) service(a *config.Auth) error {
	if a.HTTPURL == "" {
		return nil
	}
	header, err := openHeader(a.HTTPHeaderFile)
	if err != nil {
		return fmt.Errorf("auth.http_header_file: %w", err)
	}
	return g.serviceWith(a, header)
}

// serviceWith adds the web service, which is sent the header, if any.
func (g *guard) serviceWith(a *config.Auth, header *headerFile) error {
	hc := auth.HTTPConfig{URL: a.HTTPURL, Plain: a.HTTPPlain, Timeout: a.HTTPTimeout, Grant: grant}
	if header != nil {
		hc.Header = header.header
		g.beside = append(g.beside, func(ctx context.Context) { header.Run(ctx, authFilesEvery, g.log) })
	}
	h, err := auth.NewHTTP(hc)
	if err != nil {
		return fmt.Errorf("auth.http_url: %w", err)
	}
	g.link("http", h)
	g.close = append(g.close, h.Close)
	return nil
}

// scram adds the authentication method of MQTT 5.
func (g *guard) scram(c *config.Config, failures *auth.Failures, mc *mqtt.Config) error {
	if c.Auth.ScramFile == "" {
		return nil
	}
	f, err := auth.OpenScramFile(c.Auth.ScramFile)
	if err != nil {
		return fmt.Errorf("auth.scram_file: %w", err)
	}
	secret, err := nodeSecret(c.Data)
	if err != nil {
		return fmt.Errorf("auth.scram_file: %w", err)
	}
	s, err := auth.NewSCRAM(f, secret, failures)
	if err != nil {
		return fmt.Errorf("auth.scram_file: %w", err)
	}
	mc.Enhanced = append(mc.Enhanced, s)
	g.beside = append(g.beside, func(ctx context.Context) { f.Run(ctx, authFilesEvery, g.log) })
	return nil
}

// nodeSecret is a secret of this node that survives it, in the data directory. In memory it is a new one each time.
func nodeSecret(data string) ([]byte, error) {
	secret := make([]byte, 32)
	if data == config.InMemory {
		_, err := rand.Read(secret)
		return secret, err
	}
	path := filepath.Join(data, "node.secret")
	known, err := os.ReadFile(path)
	if err == nil && len(known) == len(secret) {
		return known, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	return secret, os.WriteFile(path, secret, 0o600)
}

// rules adds what clients may do.
func (g *guard) rules(a *config.Auth, mc *mqtt.Config) error {
	if a.ACLFile == "" {
		if a.PasswordFile+a.ScramFile+a.HTTPURL+a.JWTSecretFile+a.JWTKeyFile+a.JWTKeysURL != "" || a.ByCertificate() {
			mc.Authorizer = acl.Builtin(sysUsers(a)...)
		}
		return nil
	}
	f, err := reload.Open(a.ACLFile, acl.MaxSize, parseRules)
	if err != nil {
		return fmt.Errorf("auth.acl_file: %w", err)
	}
	mc.Authorizer = ruleFile{f}
	g.beside = append(g.beside, func(ctx context.Context) { f.Run(ctx, authFilesEvery, g.log) })
	return nil
}

// openBans reads who is kept away; it is nil if nobody is.
func openBans(a *config.Auth) (*auth.BanList, error) {
	if a.BanFile == "" {
		return nil, nil
	}
	l, err := auth.OpenBanList(a.BanFile)
	if err != nil {
		return nil, fmt.Errorf("auth.ban_file: %w", err)
	}
	return l, nil
}

// watchBans has l, which may be nil, read again when its file changes.
func (g *guard) watchBans(l *auth.BanList) {
	if l != nil {
		g.beside = append(g.beside, func(ctx context.Context) { l.Run(ctx, authFilesEvery, g.log) })
	}
}

// sysUsers are the users who may subscribe to $SYS.
func sysUsers(a *config.Auth) []string {
	users := strings.Split(a.SysUsers, ",")
	for i := range users {
		users[i] = strings.TrimSpace(users[i])
	}
	return users
}

// run runs what goes on beside the loops until ctx ends.
func (g *guard) run(ctx context.Context) { runAll(ctx, g.beside) }

// runAll calls all of fs, which run until ctx ends, and waits for them.
func runAll(ctx context.Context, fs []func(context.Context)) {
	var wg sync.WaitGroup
	for _, f := range fs {
		wg.Go(func() { f(ctx) })
	}
	wg.Wait()
}

// asks tells whether anybody is asked who clients are.
func (g *guard) asks() bool { return g.chain != nil }

// counts is what the metrics show.
func (g *guard) counts() center.Guard {
	var out center.Guard
	if g.chain == nil {
		return out
	}
	st := g.chain.Stats()
	out.Unknown, out.Blocked = st.Unknown, st.Blocked
	for _, l := range st.Links {
		out.Authenticators = append(out.Authenticators, center.Authenticator{Name: l.Name, Allowed: l.Allowed, Denied: l.Denied, Failed: l.Failed})
	}
	return out
}

// shut gives up connections to other machines.
func (g *guard) shut() {
	for _, f := range g.close {
		f()
	}
}

// ruleFile is a file of rules that may change.
type ruleFile struct{ *reload.File[acl.Rules] }

// OnACLCheck implements broker.Authorizer.
func (f ruleFile) OnACLCheck(a *broker.Access) broker.Decision { return f.Load().OnACLCheck(a) }

func parseRules(data []byte) (*acl.Rules, error) { return acl.Parse(bytes.NewReader(data)) }
