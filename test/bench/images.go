package main

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// imageSize is the length, in bytes, of the kernel image that is read.
const imageSize = 100 << 20

// imageRow reads an embedded kernel image, stored as it is and compressed, and the
// same bytes from a plain file.
func (b *bench) imageRow() error {
	folder, err := b.folder("image")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	plain := filepath.Join(folder, "image")
	if err := writeImage(plain, b.scaled(imageSize)); err != nil {
		return err
	}
	for _, form := range []struct {
		name  string
		flags []string
	}{{"stored as it is", nil}, {"stored compressed", []string{"--compress-images"}}} {
		if err := b.imageForm(folder, plain, form.name, form.flags); err != nil {
			return err
		}
	}
	return nil
}

// writeImage makes a file of which half can be compressed.
func writeImage(path string, size int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 2))
	out := bufio.NewWriterSize(file, 1<<20)
	for i := range size {
		value := byte(i >> 16)
		if i>>12&1 == 0 {
			value = byte(random.Uint32())
		}
		if err := out.WriteByte(value); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	return errors.Join(out.Flush(), file.Sync(), file.Close())
}

// imageForm measures one way to store the image.
func (b *bench) imageForm(folder, plain, name string, flags []string) error {
	stores, err := os.MkdirTemp(folder, "stores")
	if err != nil {
		return err
	}
	if err := create(filepath.Join(stores, "a.rvf"), dimension); err != nil {
		return err
	}
	var embed, copied, warmOurs, warmTheirs, coldOurs, coldTheirs, first sample
	size, err := sizeOf(plain)
	if err != nil {
		return err
	}
	timed := func(kept *sample, program string, arguments ...string) error {
		took, err := b.time(program, arguments...)
		*kept = append(*kept, size/took)
		return err
	}
	err = b.rounds(func(round int) error {
		m, err := b.mount(b.program, stores, flags...)
		if err != nil {
			return err
		}
		defer func() { m.stop() }()
		image := filepath.Join(m.point, "a.rvf", "kernel", "image")
		other := filepath.Join(folder, fmt.Sprint("copy", round))
		if err := errors.Join(warm(plain), timed(&embed, "cp", plain, image),
			timed(&copied, "dd", "if="+plain, "of="+other, "bs=1M", "conv=fdatasync", "status=none"), os.Remove(other)); err != nil {
			return err
		}
		m.stop()
		if m, err = b.mount(b.program, stores, flags...); err != nil {
			return err
		}
		image = filepath.Join(m.point, "a.rvf", "kernel", "image")
		backing := filepath.Join(stores, "a.rvf")
		if err := errors.Join(cool(backing), timed(&first, "cat", image)); err != nil {
			return err
		}
		if err := errors.Join(warm(image), timed(&warmOurs, "cat", image), warm(plain), timed(&warmTheirs, "cat", plain)); err != nil {
			return err
		}
		return errors.Join(cool(image), cool(backing), timed(&coldOurs, "cat", image), cool(plain), timed(&coldTheirs, "cat", plain))
	})
	if err != nil {
		return err
	}
	const peer = "`cat` of the same bytes from a plain file"
	what := fmt.Sprintf("kernel/image of %.0f MiB, %s", size/(1<<20), name)
	b.add(line{what: "`cat` of " + what + ", warm", peer: peer, unit: throughput, ours: warmOurs, theirs: warmTheirs, moreIsBetter: true, target: 0.95})
	b.add(line{what: "the same, cold", peer: peer, unit: throughput, ours: coldOurs, theirs: coldTheirs, moreIsBetter: true, target: 0.9,
		bounds: []bound{{of: warmTheirs, what: "warm, so it was not cold"}}})
	b.add(line{what: "the same, the first read in a fresh mount", peer: peer, unit: throughput, ours: first, theirs: coldTheirs, moreIsBetter: true})
	b.add(line{what: "`cp` into " + what + ", durable at close", peer: "`dd conv=fdatasync` to the same disk", unit: throughput, ours: embed, theirs: copied, moreIsBetter: true})
	return nil
}
