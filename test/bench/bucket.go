package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"rvffs/store/volume/bucket/s3"
	"rvffs/test/objectstore"
)

// objectServer is a real object store on loopback: versitygw over a folder among the data. What
// it takes of the CPUs, those who ask it do not have.
type objectServer struct {
	*objectstore.Server
	client *s3.Bucket
	// counting is a way to it that counts requests, and costs time.
	counting *httptest.Server
	count    atomic.Int64
}

// serveObjects starts one, with an empty bucket.
func (b *bench) serveObjects() (*objectServer, error) {
	folder, err := b.folder("objects")
	if err != nil {
		return nil, err
	}
	started, err := objectstore.Launch("versitygw", folder, 1)
	if err != nil {
		return nil, err
	}
	s := &objectServer{Server: started}
	for _, setting := range started.Environment() {
		name, value, _ := strings.Cut(setting, "=")
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	behind, err := url.Parse(started.Endpoints[0])
	if err != nil {
		return nil, err
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(behind); r.Out.Host = r.In.Host }}
	s.counting = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.count.Add(1)
		forward.ServeHTTP(w, r)
	}))
	s.client, err = s3.Open(b.limit, s3.Settings{Bucket: s.Bucket, Endpoint: s.Endpoints[0]})
	return s, err
}

// stop ends the server.
func (s *objectServer) stop() {
	s.counting.Close()
	if err := s.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

// mountBucket serves a place in the bucket, with a cache of the machine's own.
func (b *bench) mountBucket(s *objectServer, place, cache string, flags ...string) (*mounted, error) {
	return b.mount(b.program, "s3://"+s.Bucket+"/"+objectstore.Prefix+place, append([]string{"--cache-dir", cache}, flags...)...)
}

// makeStore makes an empty store in a mount.
func makeStore(m *mounted, name string) (string, error) {
	path := filepath.Join(m.point, name)
	return path, os.Mkdir(path, 0o755)
}

// bucketRow measures stores in a bucket.
func (b *bench) bucketRow() error {
	server, err := b.serveObjects()
	if err != nil {
		return err
	}
	defer server.stop()
	for _, part := range []func(*objectServer) error{b.bucketAppend, b.bucketSearch, b.bucketCommits, b.bucketWaits, b.bucketList, b.bucketMemory} {
		if err := part(server); err != nil {
			return err
		}
	}
	return nil
}
