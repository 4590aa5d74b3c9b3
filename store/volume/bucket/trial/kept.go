package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"rvffs/store/volume/bucket/objects"
)

// keptAt is where a report is kept, behind the bucket's prefix.
const keptAt = ".rvffs/server"

// Open opens a bucket by the first way to it, and says what its server can do: as a former
// trial has found that counts still, with keys of the prefix or of a folder around it, or by a trial. Where the result cannot be kept, the next
// one tries again. A server that does not answer yet is waited for with some patience, and
// waits is told so, once.
func Open(ctx context.Context, prefix string, patience time.Duration, waits func(error), open Ways) (objects.Bucket, *Report, error) {
	ways, err := open(false)
	if err != nil {
		return nil, nil, err
	}
	report, err := awaitKept(ctx, ways[0], prefix+keptAt, patience, waits)
	for around := prefix; err == nil && report == nil && around != ""; {
		around = strings.TrimSuffix(around, "/")
		around = around[:strings.LastIndex(around, "/")+1]
		report, err = awaitKept(ctx, ways[0], around+keptAt, patience, waits)
		if errors.Is(err, objects.ErrDenied) || err == nil && report != nil && !report.Allows(Commits) {
			report, err = nil, nil // who may do less there may do all here
		}
	}
	if err != nil {
		return nil, nil, err
	}
	if report == nil {
		if report, err = Try(ctx, prefix, open); err != nil {
			return nil, nil, err
		}
		_, _ = ways[0].Put(ctx, prefix+keptAt, report.Encode(), nil, objects.Condition{})
	}
	if report.BareTags {
		if ways, err = open(true); err != nil {
			return nil, nil, err
		}
	}
	return ways[0], report, nil
}

// askEach is how long passes until a server that does not answer is asked again.
const askEach = 250 * time.Millisecond

// awaitKept is findKept, again and again where the server does not answer.
func awaitKept(ctx context.Context, bucket objects.Bucket, key string, patience time.Duration, waits func(error)) (*Report, error) {
	patient, stop := context.WithTimeout(ctx, patience)
	defer stop()
	again := time.NewTicker(askEach)
	defer again.Stop()
	for told := false; ; {
		report, err := findKept(patient, bucket, key)
		if err == nil || errors.Is(err, objects.ErrDenied) || ctx.Err() != nil {
			return report, err
		}
		if !told {
			told = true
			waits(err)
		}
		select {
		case <-again.C:
		case <-patient.Done():
			return nil, fmt.Errorf("%w within %v: %w", objects.ErrSilent, patience, err)
		}
	}
}

// findKept gives the report of a former trial; nil if there is none that counts.
func findKept(ctx context.Context, bucket objects.Bucket, key string) (*Report, error) {
	found, err := bucket.Get(ctx, key, objects.Read{Length: mostKept})
	if errors.Is(err, objects.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	report := new(Report)
	if json.Unmarshal(found.Content, report) != nil || !report.Counts(time.Now()) || len(report.Rules) != len(rules) {
		return nil, nil
	}
	return report, nil
}

// mostKept bounds how many bytes of a report are read.
const mostKept = 64 << 10
