package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// branchRow searches a branch of 200,000 vectors that has gained one for each hundred, beside
// the same vectors in one store.
func (b *bench) branchRow() error {
	count := b.scaled(200_000)
	_, path, err := b.largeStore("branch", count)
	if err != nil {
		return err
	}
	stores := filepath.Dir(path)
	defer os.RemoveAll(stores)
	own, err := b.sourceFile(max(1, count/100))
	if err != nil {
		return err
	}
	if err := b.makeBranches(path, count); err != nil {
		return err
	}
	branch, flat := filepath.Join(stores, "branch.rvf"), filepath.Join(stores, "flat.rvf")
	for _, arguments := range [][]string{
		{"branch", path, branch}, {"import", branch, own}, {"branch", path, flat}, {"import", flat, own}, {"flatten", flat},
	} {
		if err := b.command(b.program, arguments...).Run(); err != nil {
			return fmt.Errorf("%v: %w", arguments, err)
		}
	}
	m, err := b.mount(b.program, stores)
	if err != nil {
		return err
	}
	defer m.stop()
	var inherited, one sample
	err = b.rounds(func(int) error {
		for file, took := range map[string]*sample{"branch.rvf": &inherited, "flat.rvf": &one} {
			seconds, err := askMount(filepath.Join(m.point, "large.rvf", file, "query"), dimension, 4)
			if err != nil {
				return err
			}
			*took = append(*took, 1/seconds)
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.add(line{what: fmt.Sprintf("exact 10-nn of one query to a branch of %d × %d, warm", count, dimension), peer: "the same vectors in one store",
		unit: perSecond, ours: inherited, theirs: one, moreIsBetter: true, target: 0.8})
	return nil
}

// makeBranches makes branches of a store that nobody has opened before, beside copies of it.
func (b *bench) makeBranches(path string, count int) error {
	made := filepath.Join(filepath.Dir(path), "made.rvf")
	var branches, copies sample
	err := b.rounds(func(int) error {
		for name, took := range map[string]*sample{b.program: &branches, "cp": &copies} {
			arguments := []string{path, made}
			if name == b.program {
				arguments = []string{"branch", path, made}
			}
			begun := time.Now()
			if err := b.command(name, arguments...).Run(); err != nil {
				return fmt.Errorf("%s %v: %w", name, arguments, err)
			}
			*took = append(*took, 1/time.Since(begun).Seconds())
			if err := os.Remove(made); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.add(line{what: fmt.Sprintf("make a branch of %d × %d", count, dimension), peer: "cp of the store", unit: perSecond, ours: branches, theirs: copies, moreIsBetter: true, target: 1})
	return nil
}
