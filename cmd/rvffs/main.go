package main

import (
	"errors"
	"os"
)

func main() {
	root := newRootCommand()
	root.SetArgs(asHelper(root, os.Args[0], os.Args[1:]))
	err := root.Execute()
	if err == nil {
		return
	}
	if !errors.Is(err, errTold) {
		tell("%s", inWords(err))
	}
	if errors.As(err, new(*misuse)) {
		os.Exit(statusMisused)
	}
	os.Exit(1)
}
