//go:build system

package system

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Each file in testdata is a story told on the command line. On top of testscript's commands there is
// `broker [serve's flags]`, which starts a broker and sets $PORT and $API.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("BIN", binary(t))
			return os.Symlink(binary(t), env.WorkDir+"/holdfast")
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"broker": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg {
					ts.Fatalf("use 'exec holdfast serve' for one that fails")
				}
				n := startNode(t, args...)
				ts.Setenv("PORT", n.port)
				ts.Setenv("API", n.api)
			},
		},
	})
}
