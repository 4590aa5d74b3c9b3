package store_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/compute"
	"rvffs/store/state"
	"rvffs/store/volume"
	"rvffs/store/volume/directory"
)

// newFolder is an empty folder for stores. Whoever opens a store says where it is.
func newFolder() (shelf volume.Shelf, remove func()) {
	dir, err := os.MkdirTemp("", "stores-")
	if err != nil {
		log.Fatal(err)
	}
	opened, err := directory.OpenShelf(dir)
	if err != nil {
		log.Fatal(err)
	}
	return opened, func() {
		if err := opened.Close(); err != nil {
			log.Fatal(err)
		}
		os.RemoveAll(dir)
	}
}

// ExampleCreate makes a store, and puts vectors into it.
func ExampleCreate() {
	ctx := context.Background()
	folder, remove := newFolder()
	defer remove()

	products, err := store.Create(ctx, "products.rvf", store.CreateOptions{Dimension: 3, Metric: segments.Cosine}, store.Options{Shelf: folder})
	if err != nil {
		log.Fatal(err)
	}
	defer products.Close()
	// Without ids they get the next ones.
	if _, err := products.Ingest(ctx, nil, []float32{1, 0, 0, 0, 1, 0}); err != nil {
		log.Fatal(err)
	}
	status, err := products.Status(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(status.LiveVectors, "vectors of", status.Dimension, "components")
	// Output:
	// 2 vectors of 3 components
}

// ExampleStore_Derive makes a child, says how it comes out of its parent, and asks it who that is.
func ExampleStore_Derive() {
	ctx := context.Background()
	folder, remove := newFolder()
	defer remove()

	parent, err := store.Create(ctx, "parent.rvf", store.CreateOptions{Dimension: 128}, store.Options{Shelf: folder})
	if err != nil {
		log.Fatal(err)
	}
	defer parent.Close()
	if err := parent.Derive(ctx, "child.rvf", store.DeriveOptions{Type: lineage.Filter}); err != nil {
		log.Fatal(err)
	}
	child, err := store.Open(ctx, "child.rvf", store.Options{Shelf: folder})
	if err != nil {
		log.Fatal(err)
	}
	defer child.Close()
	fmt.Println("depth", child.LineageDepth())
	fmt.Println("the parent's child:", child.ParentID() == parent.FileID())
	// Output:
	// depth 1
	// the parent's child: true
}

// ExampleStore_kernel embeds a kernel, which comes out as it went in.
func ExampleStore_kernel() {
	ctx := context.Background()
	folder, remove := newFolder()
	defer remove()

	s, err := store.Create(ctx, "bootable.rvf", store.CreateOptions{Dimension: 128}, store.Options{Shelf: folder})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	image := []byte("a stub in place of a kernel")
	config := compute.KernelConfig{
		Header:  segments.KernelHeader{Architecture: segments.KernelX86_64, Type: segments.KernelTestStub, Port: 8080},
		Cmdline: "quiet",
	}
	if _, err := s.EmbedKernel(ctx, bytes.NewReader(image), int64(len(image)), config); err != nil {
		log.Fatal(err)
	}

	kernel, err := s.ExtractKernel(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(kernel.Header.Architecture, kernel.Header.Type, "port", kernel.Header.Port)
	for _, view := range []state.View{kernel.Image, kernel.Cmdline} {
		reader, err := view.Open(ctx)
		if err != nil {
			log.Fatal(err)
		}
		content, err := io.ReadAll(io.NewSectionReader(state.ReaderAt(ctx, reader), 0, view.Size()))
		reader.Close()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", content)
	}
	// Output:
	// x86_64 test-stub port 8080
	// a stub in place of a kernel
	// quiet
}
