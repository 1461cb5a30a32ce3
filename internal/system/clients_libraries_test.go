//go:build system

package system

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const (
	programs = "testdata/clients"
	// debianPython is the interpreter that sees Debian's python3-paho-mqtt.
	debianPython = "/usr/bin/python3"
	// modules is where `make install-tools` puts mqtt.js.
	modules = root + "/bin/mqttjs/node_modules"
)

// versions are the names of the protocol levels.
var versions = map[int]string{3: "MQTT 3.1", 4: "MQTT 3.1.1", 5: "MQTT 5"}

// libraries are the client libraries. build makes the command line of the program over each; all of them
// speak all versions.
var libraries = []struct {
	name  string
	short string // for Client Identifiers
	build func(t *testing.T) (command, env []string)
}{
	{"paho Go", "go", buildGo},
	{"paho Python", "py", buildPython},
	{"mqtt.js", "js", buildJS},
	{"libmosquitto", "lm", func(t *testing.T) ([]string, []string) {
		return buildC(t, "mosquitto.c", "mosquitto.h", "-lmosquitto"), nil
	}},
	{"libpaho-mqtt", "lp", func(t *testing.T) ([]string, []string) {
		return buildC(t, "paho.c", "MQTTAsync.h", "-lpaho-mqtt3a"), nil
	}},
}

// Programs over the client libraries that devices and services use, in every version of MQTT they speak:
// each scenario with two clients of the same library.
func TestClientLibraries(t *testing.T) {
	n := startNode(t)
	for _, lib := range libraries {
		t.Run(lib.name, func(t *testing.T) {
			t.Parallel() // they mostly wait: for answers, or as libpaho-mqtt does for its own threads
			command, env := lib.build(t)
			for level, version := range versions {
				t.Run(version, func(t *testing.T) {
					t.Parallel()
					p := newPair(fmt.Sprint(lib.short, level), func() *program {
						return startProgram(t, command, env, n.port, level)
					})
					if level == 3 {
						p.present = "0"
					}
					for _, s := range scenarios {
						if !t.Run(s.name, func(t *testing.T) { s.run(p, t) }) {
							return // the programs are somewhere in the middle
						}
					}
					p.a.finish(t)
					p.b.finish(t)
				})
			}
		})
	}
}

func buildGo(t *testing.T) (command, env []string) {
	path := filepath.Join(t.TempDir(), "client")
	run(t, "go", "build", "-o", path, "./"+programs+"/pahogo")
	return []string{path}, nil
}

func buildPython(t *testing.T) (command, env []string) {
	if out, err := exec.Command(debianPython, "-c", "import paho.mqtt.client").CombinedOutput(); err != nil {
		t.Fatalf("python3-paho-mqtt is missing: run 'make install-tools' (%v: %s)", err, out)
	}
	return []string{debianPython, programs + "/python/client.py"}, nil
}

func buildJS(t *testing.T) (command, env []string) {
	need(t, "node")
	path, err := filepath.Abs(modules)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(path, "mqtt")); err != nil {
		t.Fatalf("mqtt.js is missing: run 'make install-tools' (%v)", err)
	}
	return []string{"node", programs + "/js/client.js"}, []string{"NODE_PATH=" + path}
}

// buildC compiles source together with main.c. header belongs to the library, which flag links.
func buildC(t *testing.T, source, header, flag string) (command []string) {
	need(t, "gcc")
	probe := exec.Command("gcc", "-E", "-include", header, "-x", "c", os.DevNull)
	if err := probe.Run(); err != nil {
		t.Fatalf("%s is missing: run 'make install-tools' (%v)", header, err)
	}
	path := filepath.Join(t.TempDir(), "client")
	dir := programs + "/c/"
	run(t, "gcc", "-std=gnu11", "-Wall", "-Wextra", "-O1", "-o", path, dir+"main.c", dir+source, flag, "-lpthread")
	return []string{path}
}

// need ends the test where a tool is missing.
func need(t testing.TB, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is missing: run 'make install-tools'", tool)
		}
	}
}

// run runs a build command.
func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
}
