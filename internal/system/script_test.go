//go:build system

package system

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Each file in testdata is a story told on the command line. On top of testscript's commands there are
// `broker [serve's flags]`, which starts a broker and sets $PORT and $API, and $XIMP if it listens for that; `end`, which
// ends the last one in good order (`stop` is testscript's own and ends the script); and `crash`, which kills it.
func TestScripts(t *testing.T) {
	type key struct{} // of a script's last broker
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("BIN", binary(t))
			env.Values[key{}] = new(*node)
			return os.Symlink(binary(t), env.WorkDir+"/holdfast")
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"broker": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg {
					ts.Fatalf("use 'exec holdfast serve' for one that fails")
				}
				n := startNode(t, args...)
				*ts.Value(key{}).(**node) = n
				ts.Setenv("PORT", n.port)
				ts.Setenv("API", n.api)
				if ports := n.ports()["ximp"]; len(ports) > 0 {
					ts.Setenv("XIMP", "ximp://127.0.0.1:"+ports[0])
				}
			},
			"end": func(ts *testscript.TestScript, _ bool, _ []string) {
				if _, err := (*ts.Value(key{}).(**node)).stop(t); err != nil {
					ts.Fatalf("the broker has ended with %v", err)
				}
			},
			"crash": func(ts *testscript.TestScript, _ bool, _ []string) {
				(*ts.Value(key{}).(**node)).kill(t)
			},
		},
	})
}
