package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
)

// command is one subcommand of holdfast.
type command struct {
	name    string
	summary string // one line for `holdfast help`
	run     func(ctx context.Context, args []string, stdio Stdio) int
}

// commands lists the subcommands in the order in which help shows them.
func commands() []command {
	return []command{
		{"serve", "run the broker", runServe},
		{"pub", "publish messages; the flags are mosquitto_pub's", runPub},
		{"sub", "subscribe and print what arrives; the flags are mosquitto_sub's", runSub},
		{"ximp", "a client of XIMP: log in, listen, chat, join rooms", runXIMP},
		{"miop", "a client of MIOP: listen, upload", runMIOP},
		{"bench", "measure this or any other MQTT broker", runBench},
		{"store", "look after the data directory: stats, check, backup, restore", runStore},
		{"kick", "end the connection of a client of a running node", runKick},
		{"passwd", "write files of users and their hashed passwords", runPasswd},
		{"config", "show the configuration in effect, or check a file", runConfig},
		{"version", "print the version", runVersion},
	}
}

// Run carries out one command line, without the program's name, and returns the exit code.
// It blocks until the command has ended; canceling ctx asks it to end in good order.
func Run(ctx context.Context, args []string, stdio Stdio) int {
	if len(args) == 0 {
		printOverview(stdio.Err)
		return exitUsage
	}
	name := args[0]
	switch name {
	case "help", "--help", "-h":
		if len(args) > 1 {
			return Run(ctx, []string{args[1], "--help"}, stdio)
		}
		printOverview(stdio.Out)
		return exitOK
	case "--version":
		name = "version"
	}
	i := slices.IndexFunc(commands(), func(c command) bool { return c.name == name })
	if i < 0 {
		fmt.Fprintf(stdio.Err, "holdfast: unknown command %q; 'holdfast help' lists the commands\n", name)
		return exitUsage
	}
	return commands()[i].run(ctx, args[1:], stdio)
}

func printOverview(w io.Writer) {
	var b strings.Builder
	b.WriteString("holdfast: an open push broker that speaks MQTT 3.1, 3.1.1 and 5, XIMP and MIOP\n\nUsage:\n  holdfast COMMAND [flags]\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-9s %s\n", c.name, c.summary)
	}
	b.WriteString("\n'holdfast COMMAND --help' shows a command's flags and examples.\n" +
		"Exit codes: 0 success, 1 failure, 2 wrong command line or configuration.\n")
	fmt.Fprint(w, b.String())
}

// subcommand is one of a command's.
type subcommand struct {
	name string
	run  func(ctx context.Context, args []string, stdio Stdio) int
}

// runSubcommand carries out the subcommand of a command that args begins with. usage is the command's help text.
func runSubcommand(ctx context.Context, args []string, stdio Stdio, command, usage string, all []subcommand) int {
	if len(args) == 0 {
		fmt.Fprint(stdio.Err, usage)
		return exitUsage
	}
	switch args[0] {
	case "--help", "-h", "help":
		fmt.Fprint(stdio.Out, usage)
		return exitOK
	}
	var names []string
	for _, s := range all {
		if s.name == args[0] {
			return s.run(ctx, args[1:], stdio)
		}
		names = append(names, s.name)
	}
	last := len(names) - 1
	return usageError(stdio, command, fmt.Errorf("%q is neither %s nor %s", args[0], strings.Join(names[:last], ", "), names[last]))
}
