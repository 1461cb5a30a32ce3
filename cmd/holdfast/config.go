package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

const configUsage = `Usage:
  holdfast config show [serve's flags]   print the settings in effect, as a YAML file
  holdfast config check FILE...          check configuration files and name every fault

Examples:
  holdfast config check /etc/holdfast/holdfast.yaml
  holdfast config check --profile /etc/holdfast/native.yaml
  HOLDFAST_LOG_LEVEL=debug holdfast config show --config /etc/holdfast/holdfast.yaml

'check' looks at the files alone; 'show' takes the same flags and environment as 'serve'.
Passwords and queries in URLs of other services are shown as xxxxx.
Exit codes: 0 valid, 1 the output could not be written, 2 a fault.
`

func runConfig(ctx context.Context, args []string, stdio Stdio) int {
	return runSubcommand(ctx, args, stdio, "config", configUsage, []subcommand{
		{"show", configShow},
		{"check", configCheck},
	})
}

func configShow(_ context.Context, args []string, stdio Stdio) int {
	fs := newFlagSet(stdio, "config show", "config show [flags]", "")
	config.AddFlags(fs)
	if code, done := parse(fs, stdio, args); done {
		return code
	}
	c, err := config.Load(fs, os.Environ())
	if err != nil {
		return configError(stdio, fs.Name(), err)
	}
	text, err := c.Redacted().Format()
	if err == nil {
		_, err = stdio.Out.Write(text)
	}
	if err != nil {
		return failure(stdio, fs.Name(), err)
	}
	return exitOK
}

func configCheck(_ context.Context, args []string, stdio Stdio) int {
	fs := newFlagSet(stdio, "config check", "config check [--profile] FILE...", "")
	profile := fs.Bool("profile", false, "the files are profiles of listeners, for ximp, miop and dispatch")
	if err := fs.Parse(args); err != nil || fs.Lookup("help").Changed || fs.NArg() == 0 {
		if err == nil && fs.NArg() == 0 && !fs.Lookup("help").Changed {
			err = errors.New("no file given")
		}
		if err != nil {
			return usageError(stdio, fs.Name(), err)
		}
		fs.Usage()
		return exitOK
	}
	code := exitOK
	for _, file := range fs.Args() {
		if err := checkFile(file, *profile); err != nil {
			code = configError(stdio, file, err)
			continue
		}
		fmt.Fprintf(stdio.Out, "%s: valid\n", file)
	}
	return code
}

// checkFile returns the faults of a file.
func checkFile(file string, profile bool) error {
	if profile {
		_, err := config.ReadNative(file)
		return err
	}
	c, err := config.ReadFile(file)
	if err != nil {
		return err
	}
	return c.Validate()
}

// configError reports every fault of a configuration on a line of its own.
func configError(stdio Stdio, name string, err error) int {
	for line := range strings.Lines(err.Error()) {
		// A fault of a file begins with the file's name already.
		fmt.Fprintf(stdio.Err, "holdfast: %s\n", strings.TrimSpace(prefixed(name, line)))
	}
	return exitUsage
}

func prefixed(name, line string) string {
	if strings.HasPrefix(line, name+":") {
		return line
	}
	return name + ": " + line
}
