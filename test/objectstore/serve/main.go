// Command serve starts the object store that RVFFS_OBJECT_STORE names, versitygw without it,
// on loopback and with an empty bucket named vectors. It prints by which variables a shell
// reaches it, and ends it when its own input ends, or on a signal.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"rvffs/test/objectstore"
)

func main() {
	gateways := flag.Int("gateways", 1, "how many `gateways` there are to the bucket")
	flag.Parse()
	if err := serve(*gateways); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

func serve(gateways int) (err error) {
	folder, err := os.MkdirTemp("", "rvffs-objectstore-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	server, err := objectstore.Launch(objectstore.Chosen(), folder, gateways)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	for _, setting := range server.Environment() {
		name, value, _ := strings.Cut(setting, "=")
		fmt.Printf("export %s='%s'\n", name, value)
	}
	fmt.Printf("ENDPOINTS='%s'\n", strings.Join(server.Endpoints, " "))
	signals, done := make(chan os.Signal, 1), make(chan error, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		done <- err
	}()
	select {
	case <-signals:
	case err = <-done:
	}
	return err
}
