package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"rvffs/store/memory"
	"rvffs/store/state"
	"rvffs/store/volume/bucket/metered"
)

// mountOptions is what `rvffs mount` can be told, by flags or after -o.
type mountOptions struct {
	foreground     bool
	readOnly       bool
	allowOther     bool
	allowNonEmpty  bool
	noAttributes   bool
	noLists        bool
	allowNonFinite bool
	compressImages bool
	strictHashes   bool
	memory         size
	readAhead      readAhead
	dimension      dimension
	derive         derivedContent
	deriveType     derivationType
	flushBytes     size
	flushInterval  time.Duration
	durability     durability
	verify         verifyMode
	views          views
	logLevel       logLevel
	logFile        string
	endpoint       string
	freshness      time.Duration
	commitTimeout  time.Duration
	cacheDir       string
	cacheSize      size
	source         string   // shown as the device, by default the directory
	kernel         []string // noexec and the like, for the kernel
	remount        bool     // change a mount that is there
	sloppy         bool     // take no offence at options that nobody knows
	fake           bool     // do all but mount
	unknown        []string

	// listingShare is catalog.Options.ListingShare.
	listingShare int
	// held is charged for what a bucket keeps in memory; nil: nobody is.
	held *memory.Budget
	// meter counts what is asked of a bucket; nil: nobody does.
	meter *metered.Meter
	// silent is told when a server does not answer, and without an error when it does again.
	silent func(backing string, lasted time.Duration, err error)
}

const (
	defaultFlushInterval = 5 * time.Second
	defaultMemory        = 512 << 20
	defaultReadAhead     = 4 << 20
	defaultFreshness     = time.Second
	defaultCommitTimeout = 30 * time.Second
	defaultCacheSize     = 4 << 30
)

// mountOption is one of them: a flag, and after -o the same with underscores for hyphens, as other
// file systems have it; either spelling is taken in either place.
type mountOption struct {
	flag  string
	as    string // another word after -o, which mount(8) or fusermount has for it
	usage string
	value func(*mountOptions) pflag.Value
}

// word is what is shown of the words after -o.
func (m mountOption) word() string {
	if m.as != "" {
		return m.as
	}
	return strings.ReplaceAll(m.flag, "-", "_")
}

// is reports whether a word after -o means the option.
func (m mountOption) is(word string) bool {
	return word == m.as && word != "" || hyphens(word) == m.flag
}

// hyphens is a name of an option as flags have it.
func hyphens(name string) string { return strings.ReplaceAll(name, "_", "-") }

// settings are all of them but those that say where to run. The help text, the flags, the
// words, completion, and what the process in the background is told come from here.
var settings = []mountOption{
	{"read-only", "ro", "refuse every change", func(o *mountOptions) pflag.Value { return (*toggle)(&o.readOnly) }},
	{"allow-other", "", "let other users in, as far as the stores' modes do", func(o *mountOptions) pflag.Value { return (*toggle)(&o.allowOther) }},
	{"allow-non-empty", "nonempty", "mount over a directory that holds files, which cannot be reached meanwhile", func(o *mountOptions) pflag.Value { return (*toggle)(&o.allowNonEmpty) }},
	{"no-xattr", "noxattr", "show no extended attributes, for fast ls -l", func(o *mountOptions) pflag.Value { return (*toggle)(&o.noAttributes) }},
	{"no-acl", "noacl", "keep access control lists from the kernel; opens obey them all the same", func(o *mountOptions) pflag.Value { return (*toggle)(&o.noLists) }},
	{"allow-nonfinite", "", "accept vectors with NaN and infinities", func(o *mountOptions) pflag.Value { return (*toggle)(&o.allowNonFinite) }},
	{"compress-images", "", "store embedded images compressed with zstd where that saves a tenth", func(o *mountOptions) pflag.Value { return (*toggle)(&o.compressImages) }},
	{"strict-hashes", "", "refuse to open embedded images that are not what their headers say", func(o *mountOptions) pflag.Value { return (*toggle)(&o.strictHashes) }},
	{"memory", "", "hold so many bytes for users at most, with K, M or G", func(o *mountOptions) pflag.Value { return &o.memory }},
	{"read-ahead", "", "KiB that the kernel reads ahead, or with K, M or G; root alone can set it (0: as is usual)", func(o *mountOptions) pflag.Value { return &o.readAhead }},
	{"dimension", "", "dimension of stores made by mkdir (0: the first vectors fix it)", func(o *mountOptions) pflag.Value { return &o.dimension }},
	{"derive", "", "what a store made by mkdir in another's folder shows at first: empty (nothing), branch (what the other shows then, without copying it) or copy (the same, copied: mkdir takes as long)", func(o *mountOptions) pflag.Value { return &o.derive }},
	{"derive-type", "", "how such a store comes from the other, as its record says", func(o *mountOptions) pflag.Value { return &o.deriveType }},
	{"flush-bytes", "", "commit a stream whenever so many bytes have come, with K, M or G, bulk loads too (0: never)", func(o *mountOptions) pflag.Value { return &o.flushBytes }},
	{"flush-interval", "", "commit a live stream after so much time, such as 5s; what brings more than 16 MiB in it is a bulk load, which close and fsync alone commit", func(o *mountOptions) pflag.Value { return (*interval)(&o.flushInterval) }},
	{"durability", "", "when commits are on the disk: strict (before close returns), interval (seconds later), none", func(o *mountOptions) pflag.Value { return &o.durability }},
	{"verify", "", verifyUsage, func(o *mountOptions) pflag.Value { return &o.verify }},
	{"endpoint", "", "the `URL` of the server that holds the bucket, http://HOST:PORT, where it is not Amazon's", func(o *mountOptions) pflag.Value { return (*name)(&o.endpoint) }},
	{"freshness", "", "how old what is known of a store in a bucket may be", func(o *mountOptions) pflag.Value { return (*interval)(&o.freshness) }},
	{"commit-timeout", "", "how long it is tried to commit to a bucket whose server does not answer, or to which others commit", func(o *mountOptions) pflag.Value { return (*interval)(&o.commitTimeout) }},
	{"cache-dir", "", "where blocks of a bucket's stores are kept on this machine, which several mounts may share (default: rvffs in the user's cache directory)", func(o *mountOptions) pflag.Value { return (*name)(&o.cacheDir) }},
	{"cache-size", "", "how many bytes of them, with K, M or G (0: none)", func(o *mountOptions) pflag.Value { return &o.cacheSize }},
	{"views", "", "what the folders of stores list: all, raw (a backup reads each store once) or none (it reads no store); what is not listed can be opened all the same", func(o *mountOptions) pflag.Value { return &o.views }},
	{"log-level", "", "debug, info, warn or error", func(o *mountOptions) pflag.Value { return &o.logLevel }},
	{"log-file", "", "append the log to a file", func(o *mountOptions) pflag.Value { return (*name)(&o.logFile) }},
	{"fsname", "", "what df and mount show as the device, instead of the directory", func(o *mountOptions) pflag.Value { return (*name)(&o.source) }},
}

// register declares the flags.
func (o *mountOptions) register(flags *pflag.FlagSet) {
	o.memory, o.readAhead, o.flushInterval, o.logLevel = defaultMemory, defaultReadAhead, defaultFlushInterval, defaultLogLevel
	o.freshness, o.commitTimeout, o.cacheSize = defaultFreshness, defaultCommitTimeout, defaultCacheSize
	o.verify.VerifyMode = state.VerifyBackground
	flags.BoolVarP(&o.foreground, "foreground", "f", false, "stay in the foreground and log to standard error")
	for _, setting := range settings {
		value := setting.value(o)
		flag := flags.VarPF(value, setting.flag, "", setting.usage)
		if isToggle(value) {
			flag.NoOptDefVal = "true"
		}
	}
	flags.VarP(&optionList{options: o}, "options", "o", "mount options, separated by commas")
	flags.BoolVarP(&o.sloppy, "sloppy", "s", false, "take no offence at mount options that nobody knows")
	flags.BoolVar(&o.fake, "fake", false, "do everything but mount")
}

// about lists the words for -o, a line for each.
func about() string {
	var text strings.Builder
	for _, setting := range settings {
		word := setting.word()
		if value := setting.value(new(mountOptions)); !isToggle(value) {
			word += "=" + value.Type()
		}
		fmt.Fprintf(&text, "  %-24s %s\n", word, setting.usage)
	}
	return text.String()
}

// ignored are options that mean something to the system's mount program alone, or
// what is the case anyway; there are no devices and no set-user-id programs here.
var ignored = []string{
	"defaults", "auto", "noauto", "user", "nouser", "users", "owner", "group", "nofail", "_netdev", "loud", "silent",
	"async", "sync", "dirsync", "atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime",
	"lazytime", "nolazytime", "iversion", "noiversion", "mand", "nomand", "symfollow", "nosymfollow", "default_permissions",
}

// ignoredValues are such options that have a value.
var ignoredValues = []string{"user", "comment", "uhelper", "helper", "subtype"}

// ofThere are those by which the kernel's table tells of a mount that is there: the mount
// program repeats them as it is changed. Nobody can set them.
var ofThere = []string{"fd", "rootmode", "user_id", "group_id", "max_read", "blksize"}

// forKernel are options that the kernel keeps for every file system, and what undoes them.
var forKernel = map[string]string{"noexec": "exec", "nodev": "dev", "nosuid": "suid"}

// labels are options with which the kernel labels files.
var labels = []string{"context", "fscontext", "defcontext", "rootcontext"}

// set takes one mount option.
func (o *mountOptions) set(option string) error {
	word, value, valued := strings.Cut(option, "=")
	for _, setting := range settings {
		target := setting.value(o)
		switch {
		case !setting.is(word):
			continue
		case isToggle(target) && valued:
			return fmt.Errorf("mount option %q: %s takes no value", option, word)
		case !isToggle(target) && !valued:
			return fmt.Errorf("mount option %q: it needs a value, as in %s=%s", option, word, strings.ToUpper(target.Type()))
		}
		if !valued {
			value = "true"
		}
		if err := target.Set(value); err != nil {
			return fmt.Errorf("mount option %q: %w", option, err)
		}
		return nil
	}
	switch _, kept := forKernel[option]; {
	case option == "", strings.HasPrefix(word, "x-"), strings.HasPrefix(word, "X-"):
	case !valued && slices.Contains(ignored, word), valued && slices.Contains(ignoredValues, word):
	case option == "rw":
		o.readOnly = false
	case kept:
		o.kernel = append(o.kernel, option)
	case option == "exec", option == "dev", option == "suid":
		if o.kernel = slices.DeleteFunc(o.kernel, func(flag string) bool { return forKernel[flag] == option }); len(o.kernel) == 0 {
			o.kernel = nil
		}
	case valued && slices.Contains(labels, word):
		o.kernel = append(o.kernel, option)
	case option == "remount":
		o.remount = true
	case option == "sloppy":
		o.sloppy = true
	default:
		o.unknown = append(o.unknown, option)
	}
	return nil
}

// refused says which options nobody knows, unless that is no offence, and of what the machine
// has not enough.
func (o *mountOptions) refused() error {
	unknown := o.unknown
	if o.remount {
		unknown = slices.DeleteFunc(slices.Clone(unknown), func(option string) bool {
			word, _, valued := strings.Cut(option, "=")
			return valued && slices.Contains(ofThere, word)
		})
	}
	if o.sloppy || len(unknown) == 0 {
		return checkMemory(int64(o.memory))
	}
	return fmt.Errorf("unknown mount option %q: rvffs mount --help lists those there are, and -s leaves out what is none", unknown[0])
}

// arguments are flags that say the same, for the process that serves.
func (o *mountOptions) arguments() []string {
	var arguments []string
	for _, setting := range settings {
		arguments = append(arguments, "--"+setting.flag+"="+setting.value(o).String())
	}
	if len(o.kernel) > 0 {
		arguments = append(arguments, "--options="+strings.Join(o.kernel, ","))
	}
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

// Words are those that may stand in the list.
func (l *optionList) Words() []string {
	words := []string{"remount", "rw", "noexec", "nodev", "nosuid", "nofail", "_netdev"}
	for _, setting := range settings {
		word, value := setting.word(), setting.value(new(mountOptions))
		choice, isChoice := value.(offerer)
		switch {
		case isChoice:
			for _, one := range choice.Words() {
				words = append(words, word+"="+one)
			}
		case isToggle(value):
			words = append(words, word)
		default:
			words = append(words, word+"=")
		}
	}
	return words
}
