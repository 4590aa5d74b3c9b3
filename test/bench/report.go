package main

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// sample is what one side measured, a value for each round.
type sample []float64

// median is the value in the middle.
func (s sample) median() float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// unit says how to print a value.
type unit struct {
	format string
	factor float64
}

var (
	millis     = unit{"%.2f ms", 1e3}
	seconds    = unit{"%.1f s", 1}
	kibibytes  = unit{"%.1f KiB", 1.0 / (1 << 10)}
	mebibytes  = unit{"%.1f MiB", 1.0 / (1 << 20)}
	perSecond  = unit{"%.0f /s", 1}
	throughput = unit{"%.0f MiB/s", 1.0 / (1 << 20)}
	times      = unit{"%.2f ×", 1}
)

// print shows the median and, behind it, the lowest and the highest value.
func (u unit) print(s sample) string {
	if len(s) == 0 {
		return "–"
	}
	number, name, _ := strings.Cut(u.format, " ")
	text := fmt.Sprintf(number, s.median()*u.factor)
	if len(s) > 1 {
		text += fmt.Sprintf(" ("+number+"–"+number+")", slices.Min(s)*u.factor, slices.Max(s)*u.factor)
	}
	return text + " " + name
}

// line is one line of the table.
type line struct {
	what, peer   string
	unit         unit
	ours, theirs sample
	// moreIsBetter is for rates; else the values are times or sizes.
	moreIsBetter bool
	// target is what the ratio must reach, or, where absolute is set, what ours
	// must not exceed. 0 is no target.
	target   float64
	absolute bool
	// bounds are what the peer's figure cannot be beyond.
	bounds []bound
}

// ratio is how many times better we are than the peer.
func (l line) ratio() float64 {
	if l.moreIsBetter {
		return l.ours.median() / l.theirs.median()
	}
	return l.theirs.median() / l.ours.median()
}

// bound is what a figure cannot be below, or above: another one, of the same run.
type bound struct {
	atLeast bool
	of      sample
	what    string // was measured there
}

// mostSpread is how many times the lowest value of a sample the highest may be before
// their median says little.
const mostSpread = 3

// doubt says why the peer's figure cannot be what it is said to be; it is empty when
// nothing speaks against it. A tenth is the noise of any machine.
func (l line) doubt() string {
	if len(l.theirs) == 0 {
		return ""
	}
	for _, bound := range l.bounds {
		switch peer, limit := l.theirs.median(), bound.of.median(); {
		case bound.atLeast && peer < 0.9*limit:
			return "less than " + bound.what
		case !bound.atLeast && peer > 1.1*limit:
			return "more than " + bound.what
		}
	}
	if spread := slices.Max(l.theirs) / slices.Min(l.theirs); spread > mostSpread {
		return fmt.Sprintf("its turns differ by a factor of %.1f", spread)
	}
	return ""
}

// verdict prints ratio, target and whether it is met.
func (l line) verdict() (ratio, target, met string) {
	ratio, target, met = "–", "–", ""
	if len(l.theirs) > 0 {
		ratio = fmt.Sprintf("%.2f", l.ratio())
	}
	if l.target == 0 {
		return ratio, target, met
	}
	var good bool
	if l.absolute {
		target = "≤ " + l.unit.print(sample{l.target})
		good = l.ours.median() <= l.target
	} else {
		target = fmt.Sprintf("≥ %g", l.target)
		if len(l.theirs) == 0 {
			return ratio, target, "not measured"
		}
		if l.doubt() != "" {
			return ratio, target, "not decided"
		}
		good = l.ratio() >= l.target
	}
	met = "**no**"
	if good {
		met = "yes"
	}
	return ratio, target, met
}

// add puts a line into the table.
func (b *bench) add(l line) { b.lines = append(b.lines, l) }

// report is a section of the page: the table of one row.
func (b *bench) report(r row) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s%s: %s\n\n%s %d turns each.", headingMark, r.name, r.about, b.machine, b.options.rounds)
	if b.options.scale != 1 {
		fmt.Fprintf(&out, " **Data scaled by %g**: the targets are meant for full size.", b.options.scale)
	}
	fmt.Fprintf(&out, "\n\n| what | rvffs | peer | its figure | ratio | target | met |\n|---|---|---|---|---|---|---|\n")
	for _, l := range b.lines {
		ratio, target, met := l.verdict()
		figure := l.unit.print(l.theirs)
		if doubt := l.doubt(); doubt != "" {
			figure += ", **implausible**: " + doubt
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | %s | %s |\n",
			l.what, l.unit.print(l.ours), l.peer, figure, ratio, target, met)
	}
	for _, missing := range b.missing {
		fmt.Fprintf(&out, "\nNot measured: %s\n", missing)
	}
	return out.String() + "\n"
}

// machine describes where the figures come from.
type machine struct {
	cpu, memory, kernel, fileSystem, load string
	cores                                 int
	steal                                 float64
	date                                  time.Time
}

// String is one line of text.
func (m machine) String() string {
	return fmt.Sprintf("%s: %s, %d cores, %s of memory, Linux %s, %s; load %s at the start, %.1f %% of the CPUs stolen.",
		m.date.UTC().Format("2006-01-02 15:04 UTC"), m.cpu, m.cores, m.memory, m.kernel, m.fileSystem, m.load, 100*m.steal)
}

// describeMachine asks the kernel. dir is where the data goes.
func describeMachine(dir string) machine {
	m := machine{cpu: "unknown CPU", memory: "unknown", date: time.Now(), fileSystem: fileSystemOf(dir)}
	for text := range strings.Lines(readText("/proc/cpuinfo")) {
		name, value, _ := strings.Cut(text, ":")
		switch strings.TrimSpace(name) {
		case "model name":
			m.cpu = strings.TrimSpace(value)
		case "processor":
			m.cores++
		}
	}
	if total := procField("/proc/meminfo", "MemTotal"); total > 0 {
		m.memory = fmt.Sprintf("%.1f GiB", total/(1<<30))
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.kernel = unix.ByteSliceToString(name.Release[:])
	}
	m.load = loadNow()
	return m
}

// loadNow is the machine's load of the last minute.
func loadNow() string {
	load, _, _ := strings.Cut(readText("/proc/loadavg"), " ")
	return load
}

// fileSystemOf finds type and device of the mount that holds a path.
func fileSystemOf(dir string) string {
	found, longest := "unknown file system", -1
	for text := range strings.Lines(readText("/proc/self/mounts")) {
		fields := strings.Fields(text)
		if len(fields) < 3 || len(fields[1]) <= longest {
			continue
		}
		if point := strings.TrimSuffix(fields[1], "/"); dir == point || strings.HasPrefix(dir, point+"/") {
			found, longest = fields[2]+" on "+fields[0], len(fields[1])
		}
	}
	return found
}

// readText is a file's text, empty when it cannot be read.
func readText(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

// procField is a line "name: n kB" of a file in /proc, in bytes; 0 when absent.
func procField(path, name string) float64 {
	for text := range strings.Lines(readText(path)) {
		if rest, ok := strings.CutPrefix(text, name+":"); ok {
			var kilobytes float64
			fmt.Sscan(rest, &kilobytes)
			return kilobytes * 1024
		}
	}
	return 0
}

// cpuTimes are the first line of /proc/stat: all ticks, and the stolen ones.
type cpuTimes struct{ all, stolen float64 }

func readCPU() cpuTimes {
	first, _, _ := strings.Cut(readText("/proc/stat"), "\n")
	fields := strings.Fields(first)
	var t cpuTimes
	for i, field := range fields {
		var ticks float64
		// 8 is steal; what follows is contained in user and nice.
		if i == 0 || i > 8 {
			continue
		}
		fmt.Sscan(field, &ticks)
		t.all += ticks
		if i == 8 {
			t.stolen = ticks
		}
	}
	return t
}

// stealSince is the share that was stolen since an earlier reading.
func (t cpuTimes) stealSince(before cpuTimes) float64 {
	if t.all <= before.all {
		return 0
	}
	return (t.stolen - before.stolen) / (t.all - before.all)
}
