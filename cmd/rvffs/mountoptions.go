package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"rvffs/fs"
	"rvffs/store"
	"rvffs/store/state"
)

// mountOptions is what `rvffs mount` can be told, by flags or after -o.
type mountOptions struct {
	foreground     bool
	readOnly       bool
	allowOther     bool
	noAttributes   bool
	noLists        bool
	allowNonFinite bool
	compressImages bool
	strictHashes   bool
	memory         size
	readAhead      readAhead
	dimension      int
	flushBytes     size
	flushInterval  time.Duration
	durability     durability
	verify         verifyMode
	views          views
	logLevel       string
	logFile        string
	source         string   // shown as the device, by default the directory
	kernel         []string // noexec and the like, for the kernel
}

const (
	defaultFlushInterval = 5 * time.Second
	defaultMemory        = 512 << 20
	defaultReadAhead     = 4 << 20
)

// register declares the flags.
func (o *mountOptions) register(flags *pflag.FlagSet) {
	o.memory, o.readAhead = defaultMemory, defaultReadAhead
	flags.BoolVarP(&o.foreground, "foreground", "f", false, "stay in the foreground and log to standard error")
	flags.BoolVar(&o.readOnly, "read-only", false, "refuse every change")
	flags.BoolVar(&o.allowOther, "allow-other", false, "let other users in, as far as the stores' modes do")
	flags.BoolVar(&o.allowNonFinite, "allow-nonfinite", false, "accept vectors with NaN and infinities")
	flags.BoolVar(&o.compressImages, "compress-images", false, "store embedded images compressed with zstd where that saves a tenth")
	flags.BoolVar(&o.strictHashes, "strict-hashes", false, "refuse to open embedded images that are not what their headers say")
	flags.Var(&o.memory, "memory", "hold so many bytes for users at most, with K, M or G")
	flags.Var(&o.readAhead, "read-ahead", "KiB that the kernel reads ahead, or with K, M or G; root alone can set it (0: as is usual)")
	flags.IntVar(&o.dimension, "dimension", 0, "dimension of stores made by mkdir (0: the first vectors fix it)")
	flags.Var(&o.flushBytes, "flush-bytes", "commit a stream whenever so many bytes have come, with K, M or G, bulk loads too (0: never)")
	flags.DurationVar(&o.flushInterval, "flush-interval", defaultFlushInterval, "commit a live stream after so much time, such as 5s; what brings more than 16 MiB in it is a bulk load, which close and fsync alone commit")
	flags.Var(&o.durability, "durability", "when commits are on the disk: strict (before close returns), interval (seconds later), none")
	o.verify.VerifyMode = state.VerifyBackground
	flags.Var(&o.verify, "verify", verifyUsage)
	flags.Var(&o.views, "views", "what the folders of stores list: all, raw (a backup reads each store once) or none (it reads no store); what is not listed can be opened all the same")
	flags.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	flags.StringVar(&o.logFile, "log-file", "", "append the log to a file")
	flags.VarP(&optionList{options: o}, "options", "o", "mount options, separated by commas")
}

// ignored are options that mean something to the system's mount program alone, or
// what is the case anyway; there are no devices and no set-user-id programs here.
var ignored = []string{
	"rw", "exec", "dev", "suid", "defaults", "auto", "noauto", "nouser", "users", "owner", "group", "nofail", "_netdev",
	"async", "atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "default_permissions",
}

// forKernel are options that the kernel keeps for every file system.
var forKernel = []string{"noexec", "nodev", "nosuid"}

// set takes one mount option.
func (o *mountOptions) set(option string) error {
	name, value, _ := strings.Cut(option, "=")
	var err error
	switch {
	case option == "", slices.Contains(ignored, option), name == "user", strings.HasPrefix(name, "x-"):
	case slices.Contains(forKernel, option):
		o.kernel = append(o.kernel, option)
	case option == "ro":
		o.readOnly = true
	case option == "allow_other":
		o.allowOther = true
	case option == "noxattr":
		o.noAttributes = true
	case option == "noacl":
		o.noLists = true
	case option == "allow_nonfinite":
		o.allowNonFinite = true
	case option == "compress_images":
		o.compressImages = true
	case option == "strict_hashes":
		o.strictHashes = true
	case name == "memory":
		err = o.memory.Set(value)
	case name == "read_ahead":
		err = o.readAhead.Set(value)
	case name == "fsname":
		o.source = value
	case name == "dimension":
		o.dimension, err = strconv.Atoi(value)
	case name == "flush_bytes":
		err = o.flushBytes.Set(value)
	case name == "flush_interval":
		if o.flushInterval, err = time.ParseDuration(value); err != nil {
			err = fmt.Errorf("%w, such as 5s", err)
		}
	case name == "durability":
		err = o.durability.Set(value)
	case name == "verify":
		err = o.verify.Set(value)
	case name == "views":
		err = o.views.Set(value)
	case name == "log_level":
		o.logLevel = value
	case name == "log_file":
		o.logFile = value
	default:
		return fmt.Errorf("unknown mount option %q", option)
	}
	if err != nil {
		return fmt.Errorf("mount option %q: %w", option, err)
	}
	return nil
}

// durability is a flag value.
type durability struct{ store.Durability }

// Set implements pflag.Value.
func (d *durability) Set(name string) (err error) {
	d.Durability, err = store.ParseDurability(name)
	return err
}

// Type implements pflag.Value.
func (d *durability) Type() string { return "promise" }

// views is a flag value.
type views struct{ fs.Views }

// Set implements pflag.Value.
func (v *views) Set(name string) (err error) {
	v.Views, err = fs.ParseViews(name)
	return err
}

// Type implements pflag.Value.
func (v *views) Type() string { return "which" }

// arguments are flags that say the same, for the process that serves.
func (o *mountOptions) arguments() []string {
	arguments := []string{
		"--dimension=" + strconv.Itoa(o.dimension),
		"--memory=" + o.memory.String(),
		"--read-ahead=" + o.readAhead.String(),
		"--flush-bytes=" + o.flushBytes.String(),
		"--flush-interval=" + o.flushInterval.String(),
		"--durability=" + o.durability.String(),
		"--verify=" + o.verify.String(),
		"--views=" + o.views.String(),
		"--log-level=" + o.logLevel,
		"--log-file=" + o.logFile,
	}
	for flag, set := range map[string]bool{
		"--compress-images": o.compressImages, "--strict-hashes": o.strictHashes,
		"--read-only": o.readOnly, "--allow-other": o.allowOther, "--allow-nonfinite": o.allowNonFinite, "--options=noxattr": o.noAttributes, "--options=noacl": o.noLists,
	} {
		if set {
			arguments = append(arguments, flag)
		}
	}
	if o.source != "" {
		arguments = append(arguments, "--options=fsname="+o.source)
	}
	if len(o.kernel) > 0 {
		arguments = append(arguments, "--options="+strings.Join(o.kernel, ","))
	}
	slices.Sort(arguments)
	return arguments
}

// optionList is the value of -o, which may be given several times.
type optionList struct {
	options *mountOptions
	given   []string
}

// String gives what was set, in the form of -o.
func (l *optionList) String() string { return strings.Join(l.given, ",") }

// Type names the value in the help text.
func (l *optionList) Type() string { return "list" }

// Set takes one list.
func (l *optionList) Set(list string) error {
	for option := range strings.SplitSeq(list, ",") {
		if err := l.options.set(option); err != nil {
			return err
		}
	}
	l.given = append(l.given, list)
	return nil
}

// size is a number of bytes, written with or without K, M or G for powers of 1024.
type size int64

// String gives the number of bytes.
func (s *size) String() string { return strconv.FormatInt(int64(*s), 10) }

// Type names the value in the help text.
func (s *size) Type() string { return "bytes" }

// Set parses a number of bytes.
func (s *size) Set(text string) error {
	number := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(text), "B"), "I")
	shift := 0
	if number != "" {
		if unit := strings.IndexByte("KMG", number[len(number)-1]); unit >= 0 {
			shift, number = 10*(unit+1), number[:len(number)-1]
		}
	}
	value, err := strconv.ParseInt(number, 10, 64)
	if err != nil || value < 0 || value > (1<<62)>>shift {
		return fmt.Errorf("%q is no number of bytes", text)
	}
	*s = size(value << shift)
	return nil
}

// readAhead is a number of bytes that is written in KiB, as the kernel's own setting is,
// or with K, M or G.
type readAhead int64

// mostReadAhead keeps what is written by mistake from filling the memory.
const mostReadAhead = 1 << 30

// String gives the number of KiB.
func (r *readAhead) String() string { return strconv.FormatInt(int64(*r)>>10, 10) }

// Type names the value in the help text.
func (r *readAhead) Type() string { return "KiB" }

// Set parses a number of KiB.
func (r *readAhead) Set(text string) error {
	if _, err := strconv.ParseUint(text, 10, 64); err == nil {
		text += "K"
	}
	var bytes size
	if err := bytes.Set(text); err != nil {
		return err
	}
	if bytes > mostReadAhead || bytes%(1<<10) != 0 {
		return fmt.Errorf("%q is no number of whole KiB up to 1G", text)
	}
	*r = readAhead(bytes)
	return nil
}
