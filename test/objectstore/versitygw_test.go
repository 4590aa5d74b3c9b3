package objectstore_test

import (
	"testing"

	"rvffs/store/volume/bucket/conformance"
	"rvffs/store/volume/bucket/objects"
	"rvffs/store/volume/bucket/s3"
	"rvffs/test/objectstore"
)

// TestVersitygw: two gateways over one folder are one bucket, as every bucket must be.
func TestVersitygw(t *testing.T) {
	server := objectstore.StartVersitygw(t, 2)
	t.Setenv("AWS_ACCESS_KEY_ID", server.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretKey)
	var ways []objects.Bucket
	for _, endpoint := range server.Endpoints {
		way, err := s3.Open(t.Context(), s3.Settings{Bucket: server.Bucket, Endpoint: endpoint})
		if err != nil {
			t.Fatal(err)
		}
		ways = append(ways, way)
	}
	conformance.Bucket(t, ways...)
}
