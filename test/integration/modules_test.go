package integration

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestOnlyModulesAreModules: what is no WebAssembly module is refused when it is closed.
func TestOnlyModulesAreModules(t *testing.T) {
	t.Parallel()
	m := serve(t, t.TempDir())
	run(t, "mkdir", m.path("a.rvf"))
	source := t.TempDir()
	for _, content := range []string{"text", "", "\x7fELF\x02\x01\x01", "\x00asm\x01\x00\x00\x00\x02\x09"} {
		if err := os.WriteFile(filepath.Join(source, "module"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		got := try(t, "cp", filepath.Join(source, "module"), m.path("a.rvf", "wasm", "module.wasm"))
		if content != "" {
			wantRefusal(t, got, syscall.EINVAL)
		}
		if left := names(t, m.path("a.rvf", "wasm")); len(left) > 0 {
			t.Errorf("%q was taken for a module", content)
		}
		if got := try(t, program, "embed-wasm", m.backing("a.rvf"), filepath.Join(source, "module")); got.code != 1 || !strings.Contains(got.stderr, "WebAssembly module") && (content != "" || !strings.Contains(got.stderr, "is empty")) {
			t.Errorf("embed-wasm of %q: %+v", content, got)
		}
	}
}
