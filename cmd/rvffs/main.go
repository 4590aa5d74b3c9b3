// Command rvffs mounts a directory of vector stores as a file system, and works
// on such stores.
package main

import (
	"fmt"
	"os"
)

func main() {
	root := newRootCommand()
	root.SetArgs(asHelper(root, os.Args[1:]))
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "rvffs:", err)
		os.Exit(1)
	}
}
