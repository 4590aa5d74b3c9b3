package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/volume"
)

// inBucket reports whether a path is that of a place in a bucket.
func inBucket(name string) bool { return strings.HasPrefix(name, bucketScheme) }

// folderOf is the folder that a file is in.
func folderOf(file string) string {
	if !inBucket(file) {
		return filepath.Dir(file)
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(file, bucketScheme), "/")
	return strings.TrimSuffix(bucketScheme+path.Join(bucket, path.Dir(key)), "/")
}

// fileIn is a file of a folder.
func fileIn(folder, name string) string {
	if inBucket(folder) {
		return bucketScheme + path.Join(strings.TrimPrefix(folder, bucketScheme), name)
	}
	return filepath.Join(folder, name)
}

// openBucketShelf is openShelf for a file in a bucket.
func openBucketShelf(file string, changes bool) (shelf volume.Shelf, done func() error, err error) {
	if strings.Count(strings.TrimPrefix(file, bucketScheme), "/") == 0 {
		return nil, nil, fmt.Errorf("%q: %w, and a store in it s3://BUCKET/NAME.rvf", file, errBucketName)
	}
	place, err := reachBucket(folderOf(file), changes)
	if err != nil {
		return nil, nil, err
	}
	return place.Shelf(), place.Close, nil
}

// reachBucket opens a folder of a bucket for a command. One that changes something is refused
// where the server does not keep what commits depend on: its commits would look right.
func reachBucket(folder string, changes bool) (volume.Volume, error) {
	options := mountOptions{readOnly: !changes, commitTimeout: defaultCommitTimeout}
	place, limits, err := openBucket(&options, folder)
	if err == nil && changes && options.readOnly {
		return nil, errors.Join(fmt.Errorf("%s: nothing is written there: %s", folder, limits[0]), place.Close())
	}
	return place, err
}

// storesInBucket are the files in a folder of a bucket that may be stores, and with deep in
// those below it.
func storesInBucket(folder string, deep bool) (files []string, err error) {
	place, err := reachBucket(folder, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, place.Close()) }()
	left := []string{"."}
	for len(left) > 0 {
		at := left[0]
		left = left[1:]
		entries, err := entriesOf(place, at)
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
				files = append(files, fileIn(folder, name))
			}
		}
	}
	return files, nil
}

// entriesOf is what is in a folder of a volume.
func entriesOf(place volume.Volume, folder string) ([]volume.FolderEntry, error) {
	listing, err := place.List(context.Background(), folder)
	if err != nil {
		return nil, err
	}
	entries, err := listing.Entries()
	return entries, errors.Join(err, listing.Close())
}

// isThere reports whether a file is there.
func isThere(ctx context.Context, file string) bool {
	if inBucket(file) {
		return withOptions(ctx, file, toRead, store.Options{}, func(*store.Store) error { return nil }) == nil
	}
	_, err := os.Stat(file)
	return err == nil
}

// seenInBucket is a file of a bucket as seen from a folder of it, and any other as it is.
func seenInBucket(folder, file string) string {
	if !inBucket(file) {
		return file
	}
	return relativeTo(strings.TrimPrefix(folder, bucketScheme), strings.TrimPrefix(file, bucketScheme))
}
