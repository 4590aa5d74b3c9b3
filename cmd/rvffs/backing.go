package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket"
	"rvffs/store/volume/bucket/blockcache"
	"rvffs/store/volume/bucket/objects"
	"rvffs/store/volume/bucket/trial"
	"rvffs/store/volume/directory"
)

// findBacking is where the stores are that are to be mounted: the real path of a directory,
// or the place in a bucket as it is written.
func findBacking(text, mountPoint string) (string, error) {
	if inBucket(text) {
		place, err := parseBucketPlace(text)
		return place.String(), err
	}
	backing, err := realPath(text)
	if err != nil {
		return "", makeFirst(fmt.Errorf("directory of stores: %w", err))
	}
	return backing, checkApart(backing, mountPoint)
}

// checkApart refuses a mount point within the directory, which would show itself,
// and the other way round, which would hide the stores.
func checkApart(directory, mountPoint string) error {
	if directory == mountPoint {
		return fmt.Errorf("%s is both the directory of stores and the mount point: mount it at an empty directory elsewhere", directory)
	}
	for _, pair := range [][2]string{{directory, mountPoint}, {mountPoint, directory}} {
		if below, err := filepath.Rel(pair[0], pair[1]); err == nil && below != ".." && !strings.HasPrefix(below, "../") {
			return fmt.Errorf("%s and %s must not lie one within the other", directory, mountPoint)
		}
	}
	return nil
}

// openBacking opens the place of the stores, and says what that cannot promise. One to which
// nothing can be written makes the mount read-only.
func openBacking(options *mountOptions, backing string) (place volume.Volume, limits []string, err error) {
	if inBucket(backing) {
		return openBucket(options, backing)
	}
	if place, err = directory.OpenVolume(backing); err != nil {
		return nil, nil, fmt.Errorf("open directory %q: %w", backing, err)
	}
	if !options.readOnly {
		if limits, err = directory.Limits(backing); err != nil {
			return nil, nil, errors.Join(err, place.Close())
		}
	}
	return place, limits, nil
}

// trialPatience is how long it takes at most to find out what a server can do. One that does
// not answer would keep who mounts for ever.
const trialPatience = time.Minute

// openBucket is openBacking for a bucket.
func openBucket(options *mountOptions, backing string) (place volume.Volume, limits []string, err error) {
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
	found, report, err := trial.Open(ctx, at.prefix, func(bareTags bool) ([]objects.Bucket, error) { return endpoint.open(ctx, at.bucket, bareTags) })
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
	settings := bucket.Options{
		Prefix: at.prefix, Name: backing, UID: uint32(os.Getuid()), GID: uint32(os.Getgid()),
		Freshness: atMost(options.freshness), CommitTimeout: options.commitTimeout,
	}
	cache, err := openCache(options)
	if err != nil {
		limits = append(limits, fmt.Sprintf("nothing of the bucket is kept on this machine: %v", err))
	} else if cache != nil {
		settings.Cache = cache
	}
	return bucket.Open(found, settings), limits, nil
}

// openCache opens the folder in which blocks of buckets are kept; nil if there is none.
func openCache(options *mountOptions) (*blockcache.Cache, error) {
	if options.cacheSize == 0 {
		return nil, nil
	}
	folder := options.cacheDir
	if folder == "" {
		own, err := os.UserCacheDir()
		if err != nil {
			return nil, err
		}
		folder = filepath.Join(own, "rvffs", "blocks")
	}
	return blockcache.Open(folder, int64(options.cacheSize))
}

// atMost is a bound of a bucket's options, of which zero means what is usual.
func atMost(span time.Duration) time.Duration {
	if span == 0 {
		return -1
	}
	return span
}
