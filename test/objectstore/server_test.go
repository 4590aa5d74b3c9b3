package objectstore_test

import (
	"crypto/rand"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"rvffs/segments"
	"rvffs/store"
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
var lacking = map[string][]string{"ceph": {"DELETE with If-Match removes only what is known", "an object in parts replaces only what is known"}}

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

// TestStoresSettledInParts: the server makes one object of a store that is too long to be sent at
// once, where it keeps the condition of that; and another one leaves it alone.
func TestStoresSettledInParts(t *testing.T) {
	const dimension, batches, rows = 1024, 3, 2500
	report, ways := tried(t, objectstore.Start(t, 2))
	options := bucket.Options{Prefix: objectstore.Prefix + rand.Text() + "/", Freshness: -1, KeepTombstones: !report.Allows(trial.Removing), AtOnce: 6 << 20, SwapsParts: report.Allows(trial.Settling)}
	v := bucket.Open(ways[0], options)
	defer v.Close()
	in := store.Options{Shelf: v.Shelf()}
	must(t, store.Make(t.Context(), "a.rvf", store.CreateOptions{Dimension: dimension, Metric: segments.L2}, in))
	writer, err := store.Open(t.Context(), "a.rvf", in)
	must(t, err)
	for batch := range batches {
		vectors := make([]float32, rows*dimension)
		for i := range vectors {
			vectors[i] = float32(batch*len(vectors) + i)
		}
		_, err := writer.Ingest(t.Context(), nil, vectors)
		must(t, err)
	}
	must(t, writer.Close())
	done, err := v.SettleStore(t.Context(), "a.rvf", func(int64, int64) {})
	if !options.SwapsParts {
		if !errors.Is(err, volume.ErrInput) {
			t.Errorf("settled without a condition: %+v, %v", done, err)
		}
		return
	}
	if err != nil || !done.Changed || done.Bytes <= options.AtOnce {
		t.Fatalf("%+v, %v", done, err)
	}
	object, err := ways[1].Get(t.Context(), options.Prefix+"a.rvf", objects.Read{Length: segments.HeaderSize})
	must(t, err)
	if header, err := segments.ParseHeader(object.Content); err != nil || object.Size != done.Bytes {
		t.Errorf("the object has %d of %d bytes, and begins with %+v, %v", object.Size, done.Bytes, header, err)
	}
	other := bucket.Open(ways[1], options)
	defer other.Close()
	reader, err := store.OpenReadOnly(t.Context(), "a.rvf", store.Options{Shelf: other.Shelf()})
	must(t, err)
	defer reader.Close()
	found, err := reader.Verify(t.Context())
	if err != nil || found.Damages > 0 || found.TotalStored != batches*rows {
		t.Errorf("%+v, %v", found, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
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
