package main

import (
	"sync"

	"rvffs/store/volume/bucket/metered"
	"rvffs/store/volume/bucket/objects"
	"rvffs/store/volume/bucket/trial"
)

// triedBuckets are the buckets that this process has opened. A command that looks at many stores opens
// their folder for each: it asks once what the server can do, and goes on with the same connections.
var triedBuckets tried

// reachedBucket is a place in a bucket, and the way to it.
type reachedBucket struct {
	place    bucketPlace
	endpoint string
	meter    *metered.Meter
}

type tried struct {
	mu      sync.Mutex // guards what follows
	buckets map[reachedBucket]triedBucket
}

type triedBucket struct {
	bucket objects.Bucket
	report *trial.Report
}

// open opens a bucket, by a function if it was not opened yet. What fails is tried again by who
// comes next.
func (t *tried) open(at reachedBucket, by func() (objects.Bucket, *trial.Report, error)) (objects.Bucket, *trial.Report, error) {
	t.mu.Lock()
	known, some := t.buckets[at]
	t.mu.Unlock()
	if some {
		return known.bucket, known.report, nil
	}
	bucket, report, err := by()
	if err != nil {
		return nil, nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buckets == nil {
		t.buckets = map[reachedBucket]triedBucket{}
	}
	t.buckets[at] = triedBucket{bucket, report}
	return bucket, report, nil
}
