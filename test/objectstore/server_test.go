package objectstore_test

import (
	"crypto/rand"
	"slices"
	"sync/atomic"
	"testing"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket"
	"rvffs/store/volume/bucket/conformance"
	"rvffs/store/volume/bucket/objects"
	"rvffs/store/volume/bucket/s3"
	"rvffs/store/volume/bucket/trial"
	volumes "rvffs/store/volume/conformance"
	"rvffs/test/objectstore"
)

// tried finds out what the server can do with the rights that a mount needs.
func tried(t *testing.T, server *objectstore.Server) (report *trial.Report, ways []objects.Bucket) {
	t.Setenv("AWS_ACCESS_KEY_ID", server.User.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.User.SecretKey)
	open := func(bareTags bool) (ways []objects.Bucket, err error) {
		for _, endpoint := range server.Endpoints {
			way, err := s3.Open(t.Context(), s3.Settings{Bucket: server.Bucket, Endpoint: endpoint, BareTags: bareTags})
			if err != nil {
				return nil, err
			}
			ways = append(ways, way)
		}
		return ways, nil
	}
	report, err := trial.Try(t.Context(), objectstore.Prefix, open)
	if err != nil {
		t.Fatal(err)
	}
	if ways, err = open(report.BareTags); err != nil {
		t.Fatal(err)
	}
	return report, ways
}

// lacking are the rules that servers do not keep, as docs/object-store.md says of them.
var lacking = map[string][]string{"ceph": {"DELETE with If-Match removes only what is known"}}

// TestServer: gateways to one bucket are one bucket, as every bucket must be, and a trial
// finds what the server can do, and leaves nothing.
func TestServer(t *testing.T) {
	server := objectstore.Start(t, 2)
	report, ways := tried(t, server)
	for _, rule := range report.Rules {
		if lacks := slices.Contains(lacking[server.Kind], rule.Name); rule.Kept == lacks {
			t.Errorf("%s: kept is %t: %s", rule.Name, rule.Kept, rule.Problem)
		}
	}
	page, err := ways[0].List(t.Context(), objects.List{Prefix: objectstore.Prefix})
	if err != nil || len(page.Entries) != 0 {
		t.Errorf("the trial leaves %+v, %v", page, err)
	}
	conformance.Bucket(t, objectstore.Prefix, ways...)
}

// TestServerThatKeepsVersions: a trial finds whether commits are safe in a bucket that keeps
// the versions of its objects, as docs/object-store.md says of each server.
func TestServerThatKeepsVersions(t *testing.T) {
	server := objectstore.Start(t, 1)
	server.KeepVersions(t)
	report, _ := tried(t, server)
	if safe := server.Kind != "ceph"; report.Allows(trial.Commits) != safe || !report.Allows(trial.Reading) {
		t.Errorf("commits are safe: %t, want %t: %+v", !safe, safe, report)
	}
}

// TestVolume: stores in the bucket are as they must be in every volume, whichever gateway
// comes next.
func TestVolume(t *testing.T) {
	report, ways := tried(t, objectstore.Start(t, 2))
	volumes.TestLog(t, func(t *testing.T) volumes.Ground {
		options := bucket.Options{Prefix: objectstore.Prefix + rand.Text() + "/", Freshness: -1, KeepTombstones: !report.Allows(trial.Removing)}
		var opened atomic.Int64
		return volumes.Ground{
			Apart: true,
			Open: func(*testing.T) volume.Volume {
				return bucket.Open(ways[int(opened.Add(1))%len(ways)], options)
			},
		}
	})
}
