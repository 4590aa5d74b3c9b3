package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"rvffs/test/integration/rawfile"
)

// openRow opens a large store and reads one vector.
func (b *bench) openRow() error {
	count := b.scaled(200_000)
	source, err := b.sourceFile(max(count, b.gibibyte()))
	if err != nil {
		return err
	}
	stores, err := b.folder("open")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stores)
	path := filepath.Join(stores, "large.rvf")
	if err := b.build(path, source, count); err != nil {
		return err
	}
	var engine, throughMount, reference, engineMemory, mountMemory, referenceMemory sample
	err = b.rounds(func(int) error {
		a, err := b.askChild("open", path)
		if err != nil {
			return err
		}
		engine, engineMemory = append(engine, a.Seconds), append(engineMemory, a.Memory)
		if b.reference != "" {
			if a, err = b.askReference("open", path); err != nil {
				return err
			}
			if int(a.Vectors) != count {
				return fmt.Errorf("the reference runtime sees %.0f of %d vectors", a.Vectors, count)
			}
			reference, referenceMemory = append(reference, a.Seconds), append(referenceMemory, a.Memory)
		}
		m, err := b.mount(b.program, stores)
		if err != nil {
			return err
		}
		defer m.stop()
		before, start := m.memory("VmRSS"), time.Now()
		if err := readVector(filepath.Join(m.point, "large.rvf", "segments")); err != nil {
			return err
		}
		throughMount = append(throughMount, time.Since(start).Seconds())
		mountMemory = append(mountMemory, m.memory("VmHWM")-before)
		return nil
	})
	if err != nil {
		return err
	}
	const peer = "reference runtime, open"
	b.add(line{what: fmt.Sprintf("open a store of %d × %d and read one vector (Go engine, fresh process)", count, dimension), peer: peer, unit: millis, ours: engine, theirs: reference, target: 100})
	b.add(line{what: "the same in a fresh mount: list segments, read the vector's bytes", peer: peer, unit: millis, ours: throughMount, theirs: reference, target: 100})
	b.add(line{what: "memory that it takes (engine)", peer: peer, unit: mebibytes, ours: engineMemory, theirs: referenceMemory, target: 10 << 20, absolute: true})
	b.add(line{what: "memory that it takes (mount)", peer: peer, unit: mebibytes, ours: mountMemory, theirs: referenceMemory, target: 10 << 20, absolute: true})
	return nil
}

// readVector reads the middle vector of the last vector segment of a folder.
func readVector(dir string) error {
	names, err := files(dir)
	if err != nil {
		return err
	}
	for i := len(names) - 1; i >= 0; i-- {
		if !strings.HasSuffix(names[i], "-vec.seg") {
			continue
		}
		file, err := os.Open(filepath.Join(dir, names[i]))
		if err != nil {
			return err
		}
		info, err := file.Stat()
		if err == nil {
			_, err = file.ReadAt(make([]byte, 8+rowSize), middleRow(info.Size()))
		}
		return errors.Join(err, file.Close())
	}
	return fmt.Errorf("%s: no vectors", dir)
}

// listRow mounts many stores and lists them, beside go-fuse's loopback over as
// many folders.
func (b *bench) listRow() error {
	count := b.scaled(10_000)
	stores, err := b.folder("stores")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stores)
	folders, err := b.folder("folders")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folders)
	names := make([]string, count)
	for i := range count {
		name := fmt.Sprintf("store%05d.rvf", i)
		names[i] = filepath.Join(name, "manifest.json")
		bytes := rawfile.NewBuilder(name, 4).Vec(map[uint64][]float32{1: {1, 2, 3, 4}}).Manifest().Bytes
		if err := os.WriteFile(filepath.Join(stores, name), bytes, 0o644); err != nil {
			return err
		}
	}
	if err := b.copyManifests(stores, folders, names); err != nil {
		return err
	}
	const list, long, longPlain, cat, again = "ls", "ls -l", "ls -l, noxattr", "cat", "ls again"
	ours, theirs := map[string]sample{}, map[string]sample{}
	var mounting sample
	// use lists and reads a fresh mount.
	use := func(m *mounted, kept map[string]sample) error {
		defer m.stop()
		for _, step := range []struct {
			name, program string
			arguments     []string
		}{{list, "ls", nil}, {again, "ls", nil}, {long, "ls", []string{"-l"}}, {cat, "cat", names}} {
			command := b.command(step.program, step.arguments...)
			command.Dir = m.point
			start := time.Now()
			if err := command.Run(); err != nil {
				return fmt.Errorf("%s: %w", step.name, err)
			}
			kept[step.name] = append(kept[step.name], time.Since(start).Seconds())
		}
		return nil
	}
	err = b.rounds(func(int) error {
		took, err := b.timeMount(stores)
		if err != nil {
			return err
		}
		mounting = append(mounting, took)
		m, err := b.mount(b.program, stores)
		if err != nil {
			return err
		}
		if err := use(m, ours); err != nil {
			return err
		}
		if m, err = b.mount(b.loopback, folders); err != nil {
			return err
		}
		if err := use(m, theirs); err != nil {
			return err
		}
		if m, err = b.mount(b.program, stores, "-o", "noxattr"); err != nil {
			return err
		}
		plain := map[string]sample{}
		if err := use(m, plain); err != nil {
			return err
		}
		ours[longPlain] = append(ours[longPlain], plain[long]...)
		return nil
	})
	if err != nil {
		return err
	}
	peer := fmt.Sprintf("go-fuse's loopback, %d folders", count)
	b.add(line{what: fmt.Sprintf("mount %d stores: until the command returns", count), peer: "–", unit: millis, ours: mounting, target: 0.3, absolute: true})
	b.add(line{what: "the first `ls` of a fresh mount", peer: peer, unit: millis, ours: ours[list], theirs: theirs[list], target: 1})
	b.add(line{what: "`ls` again", peer: peer, unit: millis, ours: ours[again], theirs: theirs[again], target: 1})
	b.add(line{what: "`ls -l`", peer: peer, unit: millis, ours: ours[long], theirs: theirs[long], target: 1})
	b.add(line{what: "`ls -l`, mounted with -o noxattr", peer: peer, unit: millis, ours: ours[longPlain], theirs: theirs[long], target: 4})
	b.add(line{what: "`cat` of manifest.json in each store", peer: peer, unit: millis, ours: ours[cat], theirs: theirs[cat], target: 1})
	return nil
}

// copyManifests gives the loopback files of the same bytes.
func (b *bench) copyManifests(stores, folders string, names []string) error {
	m, err := b.mount(b.program, stores)
	if err != nil {
		return err
	}
	defer m.stop()
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(m.point, name))
		if err != nil {
			return err
		}
		path := filepath.Join(folders, name)
		if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o755), os.WriteFile(path, text, 0o644)); err != nil {
			return err
		}
	}
	return nil
}

// timeMount tells how long the mount command takes until it returns.
func (b *bench) timeMount(dir string) (float64, error) {
	point, err := os.MkdirTemp(b.dir, "mnt-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(point)
	took, err := b.time(b.program, "mount", dir, point)
	if err != nil {
		return 0, err
	}
	_, err = b.time(b.program, "umount", point)
	return took, err
}

// largeStore makes a folder with one store, large.rvf, of so many vectors, and
// returns the file that they came from and the store's. The folder is the caller's
// to remove.
func (b *bench) largeStore(folder string, count int) (source, path string, err error) {
	if source, err = b.sourceFile(count); err != nil {
		return "", "", err
	}
	stores, err := b.folder(folder)
	if err != nil {
		return "", "", err
	}
	path = filepath.Join(stores, "large.rvf")
	if err := b.build(path, source, count); err != nil {
		return "", "", errors.Join(err, os.RemoveAll(stores))
	}
	return source, path, nil
}

// readRow reads 1 GiB through the mount and from the file behind it.
func (b *bench) readRow() error {
	count := b.gibibyte()
	_, backing, err := b.largeStore("read", count)
	if err != nil {
		return err
	}
	stores := filepath.Dir(backing)
	defer os.RemoveAll(stores)
	m, err := b.mount(b.program, stores)
	if err != nil {
		return err
	}
	defer m.stop()
	names, err := files(filepath.Join(m.point, "large.rvf", "segments"))
	if err != nil {
		return err
	}
	var segments []string
	var vectorSegments int
	for _, name := range names {
		segments = append(segments, filepath.Join(m.point, "large.rvf", "segments", name))
		if strings.HasSuffix(name, "-vec.seg") {
			vectorSegments++
		}
	}
	views := map[string][]string{"segments": segments, "raw": {filepath.Join(m.point, "large.rvf", "raw")}}
	ours := map[string]sample{}
	theirs := map[string]sample{}
	// read times cat of the files of one side.
	read := func(key string, kept map[string]sample, paths []string) error {
		var bytes float64
		for _, path := range paths {
			size, err := sizeOf(path)
			if err != nil {
				return err
			}
			bytes += size
		}
		took, err := b.time("cat", paths...)
		kept[key] = append(kept[key], bytes/took)
		return err
	}
	every := func(paths []string, f func(string) error) error {
		for _, path := range paths {
			if err := f(path); err != nil {
				return err
			}
		}
		return nil
	}
	var coldProblem error
	err = b.rounds(func(int) error {
		for _, view := range []string{"segments", "raw"} {
			paths := views[view]
			err := errors.Join(every(paths, warm), warm(backing))
			if err == nil {
				err = read(view+" warm", ours, paths)
			}
			if err == nil {
				err = read(view+" warm", theirs, []string{backing})
			}
			if err != nil {
				return err
			}
			if coldProblem == nil {
				coldProblem = errors.Join(every(paths, cool), cool(backing))
			}
			if coldProblem != nil {
				continue
			}
			if err := read(view+" cold", ours, paths); err != nil {
				return err
			}
			if coldProblem = errors.Join(every(paths, cool), cool(backing)); coldProblem != nil {
				continue
			}
			if err := read(view+" cold", theirs, []string{backing}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if coldProblem != nil {
		b.missing = append(b.missing, "cold reads: "+coldProblem.Error())
	}
	const peer = "`cat` of the file behind it"
	gigabytes := float64(count) * rowSize / (1 << 30)
	for _, l := range []struct {
		key, what string
		target    float64
	}{
		{"segments warm", fmt.Sprintf("`cat` of all segments (%d of vectors, %.2f GiB), warm", vectorSegments, gigabytes), 0.95},
		{"raw warm", "`cat` of raw, warm", 0.95},
		{"segments cold", "`cat` of all segments, cold", 0.9},
		{"raw cold", "`cat` of raw, cold", 0.9},
	} {
		if len(ours[l.key]) > 0 && len(theirs[l.key]) > 0 {
			b.add(line{what: l.what, peer: peer, unit: throughput, ours: ours[l.key], theirs: theirs[l.key], moreIsBetter: true, target: l.target,
				bounds: notAboveWarm(l.key, theirs)})
		}
	}
	return nil
}

// notAboveWarm bounds what was read cold by what was read warm.
func notAboveWarm(key string, theirs map[string]sample) []bound {
	what, cold := strings.CutSuffix(key, "cold")
	if !cold {
		return nil
	}
	return []bound{{of: theirs[what+"warm"], what: "warm, so it was not cold"}}
}
