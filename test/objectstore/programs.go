package objectstore

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// The programs of servers that are built of a module of their own, once.
var (
	versitygw = sync.OnceValues(func() (string, error) { return build("versitygw", "versitygw") })
	weed      = sync.OnceValues(func() (string, error) { return build("seaweedfs", "weed") })
)

// build builds the tool that a module in a folder of this package names, and returns its path
// in the compiler's cache.
func build(folder, tool string) (string, error) {
	_, here, _, _ := runtime.Caller(0)
	command := exec.Command("go", "-C", filepath.Join(filepath.Dir(here), folder), "tool", "-n", tool)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	path, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", tool, err, stderr.Bytes())
	}
	return strings.TrimSpace(string(path)), nil
}
