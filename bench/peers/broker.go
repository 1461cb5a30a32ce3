package peers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfast-mqtt/holdfast/bench/child"
)

// broker is one of the programs that are compared.
type broker struct {
	name string
	// command returns the program and its arguments to listen on a loopback
	// port. dir is a directory for its files.
	command func(port int, dir string, s *scenario) ([]string, error)
}

// holdfast serves from memory, without the operators' API.
func holdfast(binary string, extra []string) broker {
	return broker{"holdfast", func(port int, dir string, s *scenario) ([]string, error) {
		args := []string{binary, "serve", "--listen", s.url(port), "--api", "off", "--data", "memory"}
		if overTLS(s.transport) {
			args = append(args, "--tls-cert", filepath.Join(dir, child.CertFile), "--tls-key", filepath.Join(dir, child.KeyFile))
		}
		return append(args, extra...), nil
	}}
}

// mosquitto runs with the configuration that the package comment explains.
func mosquitto(binary string, extra []string) broker {
	return broker{"mosquitto", func(port int, dir string, s *scenario) ([]string, error) {
		lines := []string{
			fmt.Sprintf("listener %d 127.0.0.1", port), "allow_anonymous true", "persistence false", "log_type none",
		}
		if overTLS(s.transport) {
			lines = append(lines, "certfile "+filepath.Join(dir, child.CertFile), "keyfile "+filepath.Join(dir, child.KeyFile))
		}
		if s.transport != plain && os.Geteuid() == 0 {
			lines = append(lines, "user root") // another has no access to dir
		}
		if overWebSocket(s.transport) {
			lines = append(lines, "protocol websockets", "listener 0 "+filepath.Join(dir, "unused"))
		}
		if s.noDelay {
			lines = append(lines, "set_tcp_nodelay true")
		}
		if s.longQueue {
			lines = append(lines, "max_queued_messages 1000000")
		}
		lines = append(lines, extra...)
		path := filepath.Join(dir, "mosquitto.conf")
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			return nil, err
		}
		return []string{binary, "-c", path}, nil
	}}
}

// start runs b and waits until it accepts connections. It returns its URL.
func (b broker) start(ctx context.Context, s *scenario) (p *child.Process, url string, err error) {
	port, err := child.FreePort(ctx)
	if err != nil {
		return nil, "", err
	}
	p, err = child.Start(ctx, []int{port}, func(dir string) ([]string, error) {
		if overTLS(s.transport) {
			if err := child.Certify(dir); err != nil {
				return nil, fmt.Errorf("make a certificate: %w", err)
			}
		}
		return b.command(port, dir, s)
	})
	if err != nil {
		return nil, "", fmt.Errorf("start %s: %w", b.name, err)
	}
	return p, s.url(port), nil
}
