// Command loopback is the peer of the directory benchmarks: go-fuse's own
// loopback file system, as its example mounts it.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: loopback DIRECTORY MOUNTPOINT")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "loopback:", err)
		os.Exit(1)
	}
}

func serve(directory, mountPoint string) error {
	root, err := fs.NewLoopbackRoot(directory)
	if err != nil {
		return err
	}
	// The times of libfuse, as in go-fuse's example.
	second := time.Second
	server, err := fs.Mount(mountPoint, root, &fs.Options{
		AttrTimeout:     &second,
		EntryTimeout:    &second,
		NullPermissions: true,
		MountOptions:    fuse.MountOptions{FsName: directory, Name: "loopback", DirectMount: true},
	})
	if err != nil {
		return err
	}
	server.Wait()
	return nil
}
