package objectstore_test

import (
	"testing"

	"rvffs/store/volume/bucket/conformance"
	"rvffs/store/volume/bucket/objects"
	"rvffs/store/volume/bucket/s3"
	"rvffs/store/volume/bucket/trial"
	"rvffs/test/objectstore"
)

// TestVersitygw: two gateways over one folder are one bucket, as every bucket must be, and
// a trial finds nothing that is missing.
func TestVersitygw(t *testing.T) {
	server := objectstore.StartVersitygw(t, 2)
	t.Setenv("AWS_ACCESS_KEY_ID", server.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretKey)
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
	ways, err := open(false)
	if err != nil {
		t.Fatal(err)
	}
	conformance.Bucket(t, ways...)
	report, err := trial.Try(t.Context(), "some/where/", open)
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range report.Rules {
		if !rule.Kept {
			t.Errorf("%s: %s", rule.Name, rule.Problem)
		}
	}
	page, err := ways[0].List(t.Context(), objects.List{Prefix: "some/"})
	if err != nil || len(page.Entries) != 0 || report.BareTags {
		t.Errorf("the trial leaves %+v, %v; bare tags %t", page, err, report.BareTags)
	}
}
