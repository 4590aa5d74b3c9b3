// Command bench measures rvffs beside its peers, as docs/performance.md shows.
//
//	go run ./test/bench                     everything, in about half an hour
//	go run ./test/bench -rows append,list   some rows
//	go run ./test/bench -scale 0.1          smaller data, for a quick look
//
// Ours and the peer take turns, each time with fresh files; the figures are
// medians. A peer that is not installed is named, and its ratios are left out.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// row is one group of measurements.
type row struct {
	name, about string
	run         func(*bench) error
}

// rows are all of them, in the order of the table.
var rows = []row{
	{"append", "dd into vectors.append, against dd to the disk and the reference runtime", (*bench).appendRow},
	{"formats", "vectors in other formats into vectors.append, against raw f32 and Python", (*bench).formatsRow},
	{"small", "commits of one vector", (*bench).smallRow},
	{"open", "open a large store and read one vector", (*bench).openRow},
	{"list", "10,000 stores in one mount", (*bench).listRow},
	{"read", "cat of segments and of raw, warm and cold", (*bench).readRow},
	{"npy-out", "the files of vectors: the mapped array, its first read, text", (*bench).npyOutRow},
	{"verify", "what checking content hashes costs those who read", (*bench).verifyRow},
	{"image", "an embedded kernel image of 100 MiB, plain and compressed", (*bench).imageRow},
	{"compact", "compaction of a store that is half dead", (*bench).compactRow},
	{"nearest", "the ten nearest of many vectors, against plain passes over their bytes", (*bench).nearestRow},
	{"branch", "searches of a branch, against the same vectors in one store", (*bench).branchRow},
	{"large", "stores of millions of vectors: append, queries after deletes, commits after a bulk deletion", (*bench).largeRow},
	{"bucket", "stores in a bucket: append, search, commits by many mounts, listing, memory", (*bench).bucketRow},
	{"memory", "memory of the mount while vectors stream in", (*bench).memoryRow},
}

// options are the command's flags.
type options struct {
	rows      string
	scale     float64
	rounds    int
	full      bool
	folder    string
	page      string
	timeLimit time.Duration
	child     string
}

func main() {
	var o options
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r.name
	}
	flag.StringVar(&o.rows, "rows", strings.Join(names, ","), "rows to measure")
	flag.Float64Var(&o.scale, "scale", 1, "size of the data, relative to the table's")
	flag.IntVar(&o.rounds, "rounds", 5, "turns that each side takes")
	flag.BoolVar(&o.full, "full", false, "10,000 commits of one vector instead of 1,000 (the reference runtime takes minutes and gigabytes for them)")
	flag.StringVar(&o.folder, "dir", os.TempDir(), "where to put the data: 9 GiB for a moment")
	flag.StringVar(&o.page, "page", "", "page whose tables of these rows are replaced, if they were measured at full size")
	flag.DurationVar(&o.timeLimit, "time", time.Hour, "give up after so much time")
	flag.StringVar(&o.child, "child", "", "internal: one measurement in a process of its own")
	flag.Parse()
	if o.child != "" {
		exit(runChild(o.child, flag.Args()))
	}
	exit(run(o))
}

// exit ends the program.
func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run measures the rows that were asked for and reports.
func run(o options) (err error) {
	chosen, err := choose(o.rows)
	if err != nil {
		return err
	}
	limit, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	limit, cancelTime := context.WithTimeout(limit, o.timeLimit)
	defer cancelTime()
	b, err := newBench(limit, o)
	if err != nil {
		return err
	}
	defer b.cleanUp()
	fmt.Fprintln(os.Stderr, b.machine)
	for _, r := range chosen {
		if err := limit.Err(); err != nil {
			return err
		}
		start, cpu := time.Now(), readCPU()
		if err := r.run(b); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		b.endSection(r, readCPU().stealSince(cpu))
		fmt.Fprintf(os.Stderr, "%-8s %5.1f s, %4.1f %% stolen\n", r.name, time.Since(start).Seconds(), 100*b.machine.steal)
	}
	fmt.Print(joinSections(b.sections))
	if o.page == "" {
		return nil
	}
	if o.scale != 1 || o.rounds < leastRounds {
		fmt.Fprintf(os.Stderr, "%s stays as it is: that was not the full size\n", o.page)
		return nil
	}
	return replaceSections(o.page, b.sections)
}

// choose finds the rows by name.
func choose(names string) ([]row, error) {
	var chosen []row
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(rows, func(r row) bool { return r.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no row is called %q", name)
		}
		chosen = append(chosen, rows[i])
	}
	return chosen, nil
}
