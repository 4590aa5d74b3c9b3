package main

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"rvffs/fs"
	"rvffs/store"
	"rvffs/store/state"

	"github.com/spf13/pflag"
)

// parse gives the options that arguments mean.
func parse(arguments ...string) (mountOptions, error) {
	var options mountOptions
	flags := pflag.NewFlagSet("mount", pflag.ContinueOnError)
	options.register(flags)
	err := errors.Join(flags.Parse(arguments), options.refused())
	return options, err
}

func TestMountOptions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		list   string
		change func(*mountOptions)
		fails  bool
		alone  bool // it is not said to the process that serves
	}{
		{name: "as the mount program calls", list: "rw,user=root,exec,suid,dev,nofail,_netdev,x-systemd.automount,defaults"},
		{name: "as fstab says", list: "auto,noauto,user,nouser,users,owner,group,comment=ours: a,x-systemd.requires=/srv,x-gvfs-show,X-mount.mkdir,uhelper=u,loud,silent"},
		{name: "of other file systems", list: "async,sync,dirsync,noatime,nodiratime,relatime,strictatime,lazytime,iversion,nomand,nosymfollow,default_permissions"},
		{name: "as the kernel's table says", list: "rw,nosuid,suid,relatime,user_id=0,group_id=0,max_read=1048576,remount", change: func(o *mountOptions) {
			o.remount, o.unknown = true, []string{"user_id=0", "group_id=0", "max_read=1048576"}
		}, alone: true},
		{name: "what nobody can set", list: "max_read=65536", fails: true},
		{name: "less than no time", list: "flush_interval=-1s", fails: true},
		{name: "more memory than there is", list: "memory=9999999G", fails: true},
		{name: "next to no memory", list: "memory=1", fails: true},
		{name: "no views", list: "views", fails: true},
		{name: "undone", list: "ro,noexec,nodev,rw,exec", change: func(o *mountOptions) { o.kernel = []string{"nodev"} }},
		{name: "labels", list: "context=system_u:object_r:tmp_t:s0", change: func(o *mountOptions) { o.kernel = []string{"context=system_u:object_r:tmp_t:s0"} }},
		{name: "not empty", list: "nonempty", change: func(o *mountOptions) { o.allowNonEmpty = true }},
		{name: "no value wanted", list: "allow_other=1", fails: true},
		{name: "a value wanted", list: "memory", fails: true},
		{name: "read-only", list: "ro", change: func(o *mountOptions) { o.readOnly = true }},
		{name: "others", list: "allow_other,noxattr,noacl", change: func(o *mountOptions) { o.allowOther, o.noAttributes, o.noLists = true, true, true }},
		{name: "kernel", list: "noexec,nosuid", change: func(o *mountOptions) { o.kernel = []string{"noexec", "nosuid"} }},
		{name: "values", list: "dimension=384,flush_bytes=1MiB,flush_interval=1s,log_level=debug,log_file=/x,fsname=s", change: func(o *mountOptions) {
			o.dimension, o.flushBytes, o.flushInterval, o.logLevel, o.logFile, o.source = 384, 1<<20, time.Second, "debug", "/x", "s"
		}},
		{name: "input", list: "allow_nonfinite", change: func(o *mountOptions) { o.allowNonFinite = true }},
		{name: "images", list: "compress_images,strict_hashes,memory=1G", change: func(o *mountOptions) {
			o.compressImages, o.strictHashes, o.memory = true, true, 1<<30
		}},
		{name: "read-ahead", list: "read_ahead=1024", change: func(o *mountOptions) { o.readAhead = 1 << 20 }},
		{name: "usual read-ahead", list: "read_ahead=0", change: func(o *mountOptions) { o.readAhead = 0 }},
		{name: "half a KiB of read-ahead", list: "read_ahead=1.5", fails: true},
		{name: "promise", list: "durability=interval", change: func(o *mountOptions) { o.durability.Durability = store.DurableInterval }},
		{name: "checks", list: "verify=first", change: func(o *mountOptions) { o.verify.VerifyMode = state.VerifyFirst }},
		{name: "no checks", list: "verify=never", change: func(o *mountOptions) { o.verify.VerifyMode = state.VerifyNever }},
		{name: "checks sometimes", list: "verify=often", fails: true},
		{name: "raw alone", list: "views=raw", change: func(o *mountOptions) { o.views.Views = fs.ViewsRaw }},
		{name: "nothing listed", list: "views=none", change: func(o *mountOptions) { o.views.Views = fs.ViewsNone }},
		{name: "some views", list: "views=some", fails: true},
		{name: "no promise", list: "durability=perhaps", fails: true},
		{name: "nothing", list: ""},
		{name: "unknown", list: "ro,bogus", fails: true},
		{name: "no number", list: "dimension=x", fails: true},
		{name: "no size", list: "flush_bytes=-1", fails: true},
		{name: "no time", list: "flush_interval=5", fails: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := parse("-o", test.list)
			if test.fails {
				if err == nil {
					t.Error("accepted")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want, err := parse()
			if err != nil {
				t.Fatal(err)
			}
			if test.change != nil {
				test.change(&want)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("options %+v, want %+v", got, want)
			}
			if test.alone {
				return
			}
			again, err := parse(got.arguments()...)
			if err != nil || !reflect.DeepEqual(again, want) {
				t.Errorf("the arguments %q mean %+v, %v", got.arguments(), again, err)
			}
		})
	}
}

// TestEitherSpellingOfOptions: each option is understood as flags have it and as other file systems
// have it after -o, in both places.
func TestEitherSpellingOfOptions(t *testing.T) {
	t.Parallel()
	root := newRootCommand()
	mount, _, err := root.Find([]string{"mount"})
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range settings {
		underscores := strings.ReplaceAll(setting.flag, "-", "_")
		if mount.Flags().Lookup(underscores) == nil {
			t.Errorf("there is no flag --%s", underscores)
		}
		for _, word := range []string{setting.flag, underscores, setting.word()} {
			given := word
			if value := setting.value(new(mountOptions)); !isToggle(value) {
				given += "="
			}
			var options mountOptions
			_ = options.set(given) // no value will do for all of them
			if len(options.unknown) > 0 {
				t.Errorf("-o %s is unknown", word)
			}
		}
	}
	for _, unknown := range []string{"", "read", "no_ahead", "n_oxattr"} {
		if slices.ContainsFunc(settings, func(setting mountOption) bool { return setting.is(unknown) }) {
			t.Errorf("-o %s is known", unknown)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]size{
		"0": 0, "4096": 4096, "1k": 1 << 10, "64M": 64 << 20, "64MiB": 64 << 20, "2GB": 2 << 30, "12b": 12,
	} {
		var got size
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "M", "x", "-1", "1T", "99999999999G", "1.5M", "12KK"} {
		var got size
		if err := got.Set(text); err == nil {
			t.Errorf("%q is accepted as %d", text, got)
		}
	}
}

func TestReadAhead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]readAhead{"0": 0, "4096": 4 << 20, "128K": 128 << 10, "4m": 4 << 20, "1G": 1 << 30, "1048576": 1 << 30} {
		var got readAhead
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "K", "-1", "x", "1025M", "1048577", "512B"} {
		var got readAhead
		if err := got.Set(text); err == nil {
			t.Errorf("%q is accepted as %d", text, got)
		}
	}
}

func TestAsHelper(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	for _, test := range []struct {
		given, want []string
	}{
		{[]string{directory, "/mnt", "-o", "ro"}, []string{"mount", directory, "/mnt", "-o", "ro"}},
		{[]string{directory, "/mnt"}, []string{"mount", directory, "/mnt"}},
		{[]string{"mount", directory, "/mnt"}, []string{"mount", directory, "/mnt"}},
		{[]string{"unmount", "/mnt"}, []string{"unmount", "/mnt"}},
		{[]string{directory + "/none", "/mnt"}, []string{directory + "/none", "/mnt"}},
		{[]string{"--help"}, []string{"--help"}},
		{nil, nil},
	} {
		if got := asHelper(newRootCommand(), "rvffs", test.given); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%q becomes %q, want %q", test.given, got, test.want)
		}
	}
}

// TestAsMountHelper: what mount(8) says to its helpers means something else there.
func TestAsMountHelper(t *testing.T) {
	t.Parallel()
	given := []string{"/srv", "/mnt", "-s", "-f", "-n", "-v", "-o", "rw,_netdev,bogus"}
	want := []string{"mount", "/srv", "/mnt", "-s", "--fake", "-o", "rw,_netdev,bogus"}
	got := asHelper(newRootCommand(), "/sbin/mount.fuse.rvffs", given)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q becomes %q, want %q", given, got, want)
	}
	options, err := parse(got[3:]...)
	if err != nil || !options.sloppy || !options.fake {
		t.Errorf("%+v, %v", options, err)
	}
}

// TestOptionsAreAllTold: every flag can be said after -o, and the help text lists it.
func TestOptionsAreAllTold(t *testing.T) {
	t.Parallel()
	command := newMountCommand()
	elsewhere := []string{"foreground", "options", "sloppy", "fake"}
	command.Flags().VisitAll(func(flag *pflag.Flag) {
		at := slices.IndexFunc(settings, func(s mountOption) bool { return s.flag == flag.Name })
		if at < 0 {
			if !slices.Contains(elsewhere, flag.Name) {
				t.Errorf("--%s cannot be said after -o", flag.Name)
			}
			return
		}
		if line := "\n  " + settings[at].word(); !strings.Contains(command.Long, line+" ") && !strings.Contains(command.Long, line+"=") {
			t.Errorf("the help text does not tell of %s", settings[at].word())
		}
	})
}

func TestCheckApart(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		directory, mountPoint string
		fails                 bool
	}{
		{"/srv/vectors", "/mnt/vectors", false},
		{"/srv/vectors", "/srv/vectors2", false},
		{"/srv/vectors", "/srv/..vectors", false},
		{"/srv/vectors", "/srv/vectors", true},
		{"/srv/vectors", "/srv/vectors/mnt", true},
		{"/srv/vectors/a", "/srv/vectors", true},
	} {
		if err := checkApart(test.directory, test.mountPoint); (err != nil) != test.fails {
			t.Errorf("%s at %s: %v", test.directory, test.mountPoint, err)
		}
	}
}
