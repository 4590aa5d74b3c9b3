package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"rvffs/fs"
	"rvffs/statedir"
	"rvffs/store/catalog"
)

func newMountCommand() *cobra.Command {
	var options mountOptions
	command := &cobra.Command{
		Use:   "mount [flags] DIRECTORY MOUNTPOINT",
		Short: "Show the stores of a directory as folders",
		Long: `Show the stores of DIRECTORY as folders at MOUNTPOINT. The command returns when
the mount serves; rvffs umount MOUNTPOINT ends it.

Options after -o:
` + about() + `  remount                  with ro or rw: change whether a mount that is there can be written to

What every file system takes (rw, noexec, nodev, nosuid, noatime, defaults, user, nofail, _netdev, x-systemd.automount,
comment=TEXT and so on) is taken as mount(8) means it. So may a line of /etc/fstab say it:
  /srv/vectors  /mnt/vectors  fuse.rvffs  allow_other,flush_interval=1s  0 0`,
		Args:              takes("DIRECTORY", "MOUNTPOINT"),
		ValidArgsFunction: offerFolders,
		RunE: func(command *cobra.Command, arguments []string) error {
			if err := options.refused(); err != nil {
				return misused(command, err)
			}
			if options.remount {
				return remount(options, arguments[1])
			}
			return mount(options, arguments[0], arguments[1])
		},
	}
	options.register(command.Flags())
	return command
}

// mount checks what can be checked, and serves here or in the background. From
// here on all paths are absolute: the background has another working directory.
func mount(options mountOptions, directory, mountPoint string) error {
	var err error
	if options.logFile != "" {
		if options.logFile, err = filepath.Abs(options.logFile); err != nil {
			return err
		}
	}
	if options.cacheDir != "" {
		if options.cacheDir, err = filepath.Abs(options.cacheDir); err != nil {
			return err
		}
	}
	if mountPoint, err = freeMountPoint(mountPoint); err != nil {
		return makeFirst(err)
	}
	if directory, err = siteOf(directory).findBacking(directory, mountPoint); err != nil {
		return err
	}
	if options.source == "" {
		options.source = directory
	}
	if err := mayMount(); err != nil {
		return err
	}
	if !options.allowNonEmpty {
		if err := checkEmpty(mountPoint); err != nil {
			return err
		}
	}
	if options.fake {
		return nil
	}
	if options.foreground {
		return serve(options, directory, mountPoint, readyPipe())
	}
	return serveInBackground(options, directory, mountPoint)
}

// makeFirst says what to do where a directory is missing.
func makeFirst(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: make it first, by mkdir", err)
	}
	return err
}

// realPath is the absolute path without symbolic links of a directory that exists.
func realPath(path string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	plain, err := filepath.EvalSymlinks(absolute)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(plain)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s: %w", path, syscall.ENOTDIR)
	}
	return plain, nil
}

// freeMountPoint is the real path of a directory to mount at. A mount of ours whose
// server died lies in the way there, and is taken away.
func freeMountPoint(path string) (string, error) {
	plain, dead, err := findMountPoint(path)
	if err != nil {
		return "", fmt.Errorf("mount point: %w", err)
	}
	if dead {
		if err := fs.Unmount(plain, true); err != nil {
			return "", fmt.Errorf("take the dead mount at %s away: %w", plain, err)
		}
	}
	if plain, err = realPath(plain); err != nil {
		return "", fmt.Errorf("mount point: %w", err)
	}
	found, mounted, err := fs.MountedAt(plain)
	if err != nil {
		return "", err
	}
	if mounted && found.Ours() {
		return "", fmt.Errorf("%s: the stores of %s are mounted there already; rvffs umount %s ends that", plain, found.Source, plain)
	}
	return plain, nil
}

// findMountPoint is the real path of a directory, and whether a mount of ours lies
// there that has lost its server. The path of such a one cannot always be resolved,
// but that of the folder that it lies in can.
func findMountPoint(path string) (plain string, dead bool, err error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", false, err
	}
	plain, err = filepath.EvalSymlinks(absolute)
	if errors.Is(err, syscall.ENOTCONN) {
		var above string
		if above, err = filepath.EvalSymlinks(filepath.Dir(absolute)); err == nil {
			plain = filepath.Join(above, filepath.Base(absolute))
		}
	}
	if err != nil {
		return "", false, err
	}
	// The kernel may still answer stat(2) from its cache, but never statfs(2).
	if err := unix.Statfs(plain, new(unix.Statfs_t)); !errors.Is(err, syscall.ENOTCONN) {
		return plain, false, nil
	}
	found, mounted, err := fs.MountedAt(plain)
	if err != nil {
		return "", false, err
	}
	if !mounted || !found.Ours() {
		return "", false, fmt.Errorf("%s: %w", plain, syscall.ENOTCONN)
	}
	return plain, true, nil
}

// serve mounts and stays until the mount is gone.
func serve(options mountOptions, backing, mountPoint string, ready *readiness) (err error) {
	defer func() { err = ready.fail(err) }()
	state, stateErr := statedir.Open(backing, mountPoint)
	log, err := openLog(options, ready != nil, state)
	if err != nil {
		return errors.Join(err, state.Close())
	}
	defer func() { err = errors.Join(err, log.close()) }()
	stopReopening := reopenOnHangup(log)
	defer stopReopening()
	log.tellCrash()
	if stateErr != nil {
		log.Warn().Err(stateErr).Msg("logs last as long as the mount, and no longer")
	}
	if passed := state.Passed(); passed != nil {
		log.Warn().Err(passed).Str("instead", state.Path()).Msg("logs that outlast the mount are not kept in STATE_DIRECTORY")
	}
	held := newMountMemory(int64(options.memory))
	options.held = held.budget
	counted, err := newMetrics(backing, held)
	if err != nil {
		return err
	}
	options.meter = counted.bucket
	options.silent = logSilence(log.Logger, options.commitTimeout)
	place, limits, err := siteOf(backing).openBacking(&options, backing)
	if err != nil {
		return err
	}
	tellLimits(backing, limits, log.Logger, ready != nil || options.logFile != "")
	stores := catalog.Open(place, catalogOptions(options, held, log))
	defer func() {
		if closeErr := closeInTime(stores); closeErr != nil {
			log.Error().Err(closeErr).Msg("close")
			err = errors.Join(err, closeErr)
		}
	}()

	// What callers make has the mode that they ask for; their own masks were applied.
	syscall.Umask(0)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	server, err := fs.Mount(stores, mountPoint, fs.Options{
		Source:            options.source,
		ReadOnly:          options.readOnly,
		Views:             options.views.Views,
		StrictHashes:      options.strictHashes,
		AllowOther:        options.allowOther,
		DisableAttributes: options.noAttributes,
		DisableLists:      options.noLists,
		Flags:             options.kernel,
		Files:             aboutMount(options, held, counted, state, backing, mountPoint),
		Memory:            held.budget,
		RequestMemory:     held.requests,
		ReadAhead:         int64(options.readAhead),
		Log:               log.Logger,
		Recent:            log.recent,
		Subject:           subject,
	})
	if err != nil {
		return explainMount(err)
	}
	log.Info().Str("directory", backing).Str("mountpoint", mountPoint).Msg("mounted")
	if err := ready.serving(); err != nil {
		log.Warn().Err(err).Msg("cannot leave the terminal")
	}
	awaitEnd(server, signals, log.With().Str("mountpoint", mountPoint).Logger())
	return nil
}

// tellLimits says once, in the log and to who mounts, what the file system or the server below
// cannot promise. The log may be what he reads already.
func tellLimits(backing string, limits []string, log zerolog.Logger, apart bool) {
	if len(limits) == 0 {
		return
	}
	below := siteOf(backing).maker()
	log.Warn().Str("directory", backing).Strs("limits", limits).Msg(below + " the stores cannot promise all that others do")
	if apart {
		tell("%s %s cannot promise all that others do:\n  - %s", below, backing, strings.Join(limits, ";\n  - "))
	}
}

func catalogOptions(options mountOptions, held mountMemory, log *mountLog) catalog.Options {
	return catalog.Options{
		ReadOnly:       options.readOnly,
		Dimension:      int(options.dimension),
		Derive:         options.derive.Content,
		DeriveType:     options.deriveType.DerivationType,
		AllowNonFinite: options.allowNonFinite,
		CompressImages: options.compressImages,
		ListingShare:   options.listingShare,
		FlushBytes:     int64(options.flushBytes),
		FlushInterval:  options.flushInterval,
		Durability:     options.durability.Durability,
		Verify:         options.verify.VerifyMode,
		Memory:         held.budget,
		Keeper:         log.keeper(),
		Log:            log.Logger,
	}
}

// reopenOnHangup opens the log file again at each SIGHUP, which does nothing else, until
// it is told to stop.
func reopenOnHangup(log *mountLog) (stop func()) {
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		defer close(done)
		for range hangups {
			log.reopen()
		}
	}()
	return func() {
		signal.Stop(hangups)
		signal.Ignore(syscall.SIGHUP) // what is left to do is not to be cut short
		close(hangups)
		<-done
	}
}

// configName is the text of the control folder that tells how the mount was made.
const configName = "config.json"

// aboutMount gives the texts of the control folder that the mount itself knows.
func aboutMount(options mountOptions, held mountMemory, counted *metrics, state *statedir.State, directory, mountPoint string) map[string]func() []byte {
	facts := map[string]any{
		"directory":       directory,
		"mountpoint":      mountPoint,
		"pid":             os.Getpid(),
		"mounted":         time.Now().UTC().Format(time.RFC3339),
		"allow_other":     options.allowOther,
		"xattr":           !options.noAttributes,
		"acl":             options.allowOther && !options.noLists && !options.noAttributes,
		"allow_nonfinite": options.allowNonFinite,
		"dimension":       options.dimension,
		"derive":          options.derive.String(),
		"derive_type":     options.deriveType.String(),
		"compress_images": options.compressImages,
		"strict_hashes":   options.strictHashes,
		"views":           options.views.String(),
		"memory":          int64(options.memory),
		"read_ahead":      int64(options.readAhead),
		"flush_bytes":     int64(options.flushBytes),
		"flush_interval":  options.flushInterval.String(),
		"durability":      options.durability.String(),
		"verify":          options.verify.String(),
		"log_level":       options.logLevel,
		"log_file":        options.logFile,
		"state_directory": state.Path(),
	}
	config := func() []byte {
		facts := maps.Clone(facts)
		facts["read_only"] = options.readOnly
		if place, mounted, err := fs.MountedAt(mountPoint); err == nil && mounted && place.ReadOnly {
			facts["read_only"] = true // by a remount
		}
		text, err := json.MarshalIndent(facts, "", "  ")
		if err != nil {
			text = []byte(err.Error())
		}
		return append(text, '\n')
	}
	about := []byte("rvffs " + version() + "\n")
	return map[string]func() []byte{
		configName:    config,
		"memory.json": held.text,
		metricsName:   counted.text,
		"version":     func() []byte { return about },
	}
}
