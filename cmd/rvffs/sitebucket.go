package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"rvffs/fs"
	"rvffs/lineage"
	"rvffs/store/volume"
	"rvffs/store/volume/bucket"
	"rvffs/store/volume/bucket/blockcache"
	"rvffs/store/volume/bucket/objects"
	"rvffs/store/volume/bucket/trial"
)

// bucketSite are the buckets. Their paths are written s3://BUCKET/PREFIX/NAME, there are no
// symlinks, and no mount shows a path of them.
type bucketSite struct{}

func (bucketSite) folderOf(file string) string {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(file, bucketScheme), "/")
	return strings.TrimSuffix(bucketScheme+path.Join(bucket, path.Dir(key)), "/")
}

func (bucketSite) fileIn(folder, name string) string {
	return bucketScheme + path.Join(strings.TrimPrefix(folder, bucketScheme), name)
}

func (bucketSite) followLinks(path string) string { return path }

func (bucketSite) absolute(path string) string { return path }

func (s bucketSite) seenFrom(file, other string) string {
	if _, same := siteOf(other).(bucketSite); !same {
		return other
	}
	return relativeTo(strings.TrimPrefix(s.folderOf(file), bucketScheme), strings.TrimPrefix(other, bucketScheme))
}

func (s bucketSite) beside(file, path string) string { return s.fileIn(s.folderOf(file), path) }

// near is the folder alone: to list others costs requests, and what is derived in a mount
// lies in the folder of its parent.
func (bucketSite) near(folder string, _ int) iter.Seq[[]string] {
	return func(yield func([]string) bool) { yield([]string{folder}) }
}

func (s bucketSite) isGone(ctx context.Context, file string) bool {
	place, err := s.reach(s.folderOf(file), false)
	if err != nil {
		return false
	}
	defer func() { _ = place.Close() }()
	_, err = place.Describe(ctx, path.Base(file))
	return tellsOfNothing(err)
}

func (bucketSite) born(string) int64 { return 0 }

func (bucketSite) isStore(name string) (bool, error) {
	_, named := lineage.ProfileOfName(path.Base(name))
	return named, nil
}

func (s bucketSite) stores(ctx context.Context, folder string, deep bool) (files []string, err error) {
	place, err := s.reach(folder, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, place.Close()) }()
	left := []string{"."}
	for len(left) > 0 {
		at := left[0]
		left = left[1:]
		entries, err := entriesOf(ctx, place, at)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			name := path.Join(at, entry.Name)
			_, named := lineage.ProfileOfName(entry.Name)
			switch {
			case entry.Type.IsDir():
				if deep {
					left = append(left, name)
				}
			case named && !volume.IsTemporary(entry.Name):
				files = append(files, s.fileIn(folder, name))
			}
		}
	}
	return files, nil
}

// entriesOf is what is in a folder of a volume.
func entriesOf(ctx context.Context, place volume.Volume, folder string) ([]volume.FolderEntry, error) {
	listing, err := place.List(ctx, folder)
	if err != nil {
		return nil, err
	}
	entries, err := listing.Entries()
	return entries, errors.Join(err, listing.Close())
}

func (bucketSite) mountOf(string) (place fs.Mounted, below string, found bool) {
	return place, "", false
}

func (s bucketSite) openShelf(file string, changes bool) (shelf volume.Shelf, done func() error, err error) {
	if strings.Count(strings.TrimPrefix(file, bucketScheme), "/") == 0 {
		return nil, nil, fmt.Errorf("%q: %w, and a store in it s3://BUCKET/NAME.rvf", file, errBucketName)
	}
	place, err := s.reach(s.folderOf(file), changes)
	if err != nil {
		return nil, nil, err
	}
	return place.Shelf(), place.Close, nil
}

// reach opens a folder of a bucket for a command. One that changes something is refused
// where the server does not keep what commits depend on: its commits would look right.
func (s bucketSite) reach(folder string, changes bool) (volume.Volume, error) {
	options := mountOptions{readOnly: !changes, commitTimeout: defaultCommitTimeout, silent: tellSilence}
	place, limits, err := s.openBacking(&options, folder)
	if err == nil && changes && options.readOnly {
		return nil, errors.Join(fmt.Errorf("%s: nothing is written there: %s", folder, limits[0]), place.Close())
	}
	return place, err
}

func (bucketSite) findBacking(text, _ string) (string, error) {
	place, err := parseBucketPlace(text)
	return place.String(), err
}

func (bucketSite) maker() string { return "the server of" }

// listingShare is which part of the time a mount spends on listing a bucket at most.
const listingShare = 20

// trialPatience is how long it takes at most to find out what a server can do. One that does
// not answer would keep who mounts for ever.
const trialPatience = time.Minute

func (bucketSite) openBacking(options *mountOptions, backing string) (place volume.Volume, limits []string, err error) {
	ctx, stop := context.WithTimeout(context.Background(), trialPatience)
	defer stop()
	at, err := parseBucketPlace(backing)
	if err != nil {
		return nil, nil, err
	}
	endpoint := endpointFlag{}
	if options.endpoint != "" {
		endpoint.urls = []string{options.endpoint}
	}
	waits := func(err error) { options.silent(backing, 0, err) }
	found, report, err := triedBuckets.open(reachedBucket{at, options.endpoint, options.meter}, func() (objects.Bucket, *trial.Report, error) {
		return trial.Open(ctx, at.prefix, options.commitTimeout, waits, func(bareTags bool) ([]objects.Bucket, error) {
			ways, err := endpoint.open(ctx, at.bucket, bareTags)
			for i, way := range ways {
				ways[i] = options.meter.Bucket(way)
			}
			return ways, err
		})
	})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", backing, err)
	}
	if !report.Allows(trial.Reading) {
		return nil, nil, fmt.Errorf("%s: the server does not do what reading needs: rvffs s3 check %s tells what", backing, backing)
	}
	if !report.Allows(trial.Commits) && !options.readOnly {
		options.readOnly = true
		limits = append(limits, fmt.Sprintf("the server does not keep the conditions on which commits depend, so that it can be read alone: rvffs s3 check %s tells which", backing))
	}
	options.listingShare = listingShare
	settings := bucket.Options{
		Prefix: at.prefix, Name: backing, UID: uint32(os.Getuid()), GID: uint32(os.Getgid()),
		Freshness: atMost(options.freshness), CommitTimeout: options.commitTimeout,
		ReadOnly:       options.readOnly,
		SwapsParts:     report.Allows(trial.Settling) && report.Allows(trial.Copying),
		KeepTombstones: options.readOnly || !report.Allows(trial.Removing),
		Silent:         func(lasted time.Duration, err error) { options.silent(backing, lasted, err) },
		Meter:          options.meter,
		Memory:         options.held,
		CacheSize:      max(leastBlocks, int64(options.memory)/blocksShare),
		Spool:          spoolsIn(options),
	}
	cache, err := openCache(options)
	if err != nil {
		limits = append(limits, fmt.Sprintf("nothing of the bucket is kept on this machine: %v", err))
	} else if cache != nil {
		settings.Cache = cache
	}
	return bucket.Open(found, settings), limits, nil
}

// tellSilence tells who waits for a command that it waits for the server of a bucket.
func tellSilence(backing string, _ time.Duration, err error) {
	if err != nil {
		tell("the server of %s does not answer, and is waited for up to %v: %v", backing, defaultCommitTimeout, err)
	}
}

// logSilence has the log of a mount tell of it.
func logSilence(log zerolog.Logger, patience time.Duration) func(string, time.Duration, error) {
	return func(backing string, lasted time.Duration, err error) {
		if err != nil {
			log.Warn().Str("directory", backing).Dur("commit_timeout", patience).Err(err).Msg("the server does not answer: who writes waits for it, and who reads goes on with what is known")
			return
		}
		log.Info().Str("directory", backing).Dur("silent", lasted).Msg("the server answers again")
	}
}

// openCache opens the folder in which blocks of buckets are kept; nil if there is none.
func openCache(options *mountOptions) (*blockcache.Cache, error) {
	if options.cacheSize == 0 {
		return nil, nil
	}
	folder := options.cacheDir
	if folder == "" {
		own, err := ownCache("blocks")
		if err != nil {
			return nil, err
		}
		folder = own
	}
	return blockcache.Open(folder, int64(options.cacheSize))
}

// ownCache is a folder in the user's cache.
func ownCache(name string) (string, error) {
	own, err := os.UserCacheDir()
	return filepath.Join(own, "rvffs", name), err
}

// Blocks of buckets take a share of a mount's memory, and a few in any case.
const (
	blocksShare = 8
	leastBlocks = 32 << 20
)

// spoolsIn has what is to be committed to a bucket wait on the disk of the cache, of which some
// stays free.
func spoolsIn(options *mountOptions) func() (volume.Spool, error) {
	folder := os.TempDir()
	if own, err := ownCache("spool"); options.cacheDir != "" {
		folder = filepath.Join(options.cacheDir, "spool")
	} else if err == nil {
		folder = own
	}
	return bucket.SpoolFiles(folder, func() (int64, error) {
		var disk unix.Statfs_t
		if err := unix.Statfs(folder, &disk); err != nil {
			return 0, err
		}
		return spoolRoom(int64(disk.Bavail)*disk.Bsize, int64(disk.Blocks)*disk.Bsize), nil
	})
}

// spoolRoom is how much of a disk may be written, of which some is free: a tenth of a small disk is
// left to others, and a gibibyte of a large one.
func spoolRoom(free, size int64) int64 { return max(0, free-min(size/10, 1<<30)) }

// atMost is a bound of a bucket's options, of which zero means what is usual.
func atMost(span time.Duration) time.Duration {
	if span == 0 {
		return -1
	}
	return span
}
