package metered

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rvffs/store/volume/bucket/objects"
)

// The kinds of requests, as the metrics name them.
const (
	opGet      = "get"
	opPut      = "put"
	opDelete   = "delete"
	opList     = "list"
	opCopy     = "copy"
	opBegin    = "upload_begin"
	opPart     = "upload_part"
	opCopyPart = "upload_copy_part"
	opComplete = "upload_complete"
	opAbort    = "upload_abort"
)

// How requests end. A condition that did not hold and an object that is as it was are answers,
// and no failures; unanswered says that nothing came, or nothing that could be understood.
var results = []struct {
	err  error
	name string
}{
	{objects.ErrNotFound, "not_found"},
	{objects.ErrSame, "same"},
	{objects.ErrCondition, "condition"},
	{objects.ErrConflict, "conflict"},
	{objects.ErrServer, "failed"},
	{objects.ErrDenied, "denied"},
	{context.Canceled, "canceled"},
}

func resultOf(err error) string {
	if err == nil {
		return "ok"
	}
	for _, known := range results {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	return "unanswered"
}

// Meter counts the requests of any number of buckets, and what came of them. It is a
// prometheus.Collector. A nil one counts nothing.
type Meter struct {
	requests       *prometheus.CounterVec // by operation and result
	seconds        *prometheus.HistogramVec
	sent, received prometheus.Counter
	underWay       prometheus.Gauge
	swaps          *prometheus.CounterVec // by result
	blocks         *prometheus.CounterVec // by place
	held           prometheus.Gauge
}

var _ prometheus.Collector = (*Meter)(nil)

// NewMeter makes a meter of nothing.
func NewMeter() *Meter {
	return &Meter{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rvffs_bucket_requests_total", Help: "Requests to the bucket's server, by kind and outcome.",
		}, []string{"operation", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rvffs_bucket_request_seconds", Help: "Time from a request to the bucket's server to the end of its answer, by kind.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15), // 1 ms to 16 s: --timeout ends what takes longer
		}, []string{"operation"}),
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rvffs_bucket_sent_bytes_total", Help: "Bytes of objects and parts that were sent to the bucket's server, those of requests that failed among them.",
		}),
		received: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rvffs_bucket_received_bytes_total", Help: "Bytes of objects that came from the bucket's server.",
		}),
		underWay: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rvffs_bucket_requests_in_flight", Help: "Requests to the bucket's server that are not answered.",
		}),
		swaps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rvffs_bucket_swaps_total", Help: "Attempts to replace a store object, commits above all: made, lost to somebody who was faster, or failed.",
		}, []string{"result"}),
		blocks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rvffs_bucket_blocks_total", Help: "Blocks of extents that were read, by where they were found: in memory, in the cache on disk, or at the server.",
		}, []string{"place"}),
		held: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rvffs_bucket_blocks_memory_bytes", Help: "Bytes of blocks that are kept in memory.",
		}),
	}
}

// Swap is how an attempt to replace a store object ended.
type Swap string

// The ends of it.
const (
	Made   Swap = "made"
	Beaten Swap = "lost" // somebody else was faster
	Failed Swap = "failed"
)

// Swapped counts an attempt.
func (m *Meter) Swapped(how Swap) {
	if m != nil {
		m.swaps.WithLabelValues(string(how)).Inc()
	}
}

// Place is where a block was found.
type Place string

// The places.
const (
	Memory Place = "memory"
	Disk   Place = "disk"
	Server Place = "server"
)

// Found counts a block.
func (m *Meter) Found(in Place) {
	if m != nil {
		m.blocks.WithLabelValues(string(in)).Inc()
	}
}

// Holds notes how many bytes of blocks are in memory.
func (m *Meter) Holds(bytes int64) {
	if m != nil {
		m.held.Set(float64(bytes))
	}
}

func (m *Meter) parts() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.seconds, m.sent, m.received, m.underWay, m.swaps, m.blocks, m.held}
}

// Describe implements prometheus.Collector.
func (m *Meter) Describe(to chan<- *prometheus.Desc) {
	for _, part := range m.parts() {
		part.Describe(to)
	}
}

// Collect implements prometheus.Collector.
func (m *Meter) Collect(to chan<- prometheus.Metric) {
	for _, part := range m.parts() {
		part.Collect(to)
	}
}

// Bucket is one whose requests are counted.
func (m *Meter) Bucket(of objects.Bucket) objects.Bucket {
	if m == nil {
		return of
	}
	return &counted{m, of}
}

// counted is a bucket whose requests a meter counts.
type counted struct {
	meter *Meter
	of    objects.Bucket
}

var _ objects.Bucket = (*counted)(nil)

// count does a request, and counts it.
func count[T any](m *Meter, operation string, bytes int64, do func() (T, error)) (T, error) {
	begun := time.Now()
	m.underWay.Inc()
	m.sent.Add(float64(bytes))
	answer, err := do()
	m.underWay.Dec()
	m.requests.WithLabelValues(operation, resultOf(err)).Inc()
	m.seconds.WithLabelValues(operation).Observe(time.Since(begun).Seconds())
	return answer, err
}

// nothing is what a request answers that only says that it was done.
type nothing struct{}

// Get implements objects.Bucket.
func (c *counted) Get(ctx context.Context, key string, read objects.Read) (*objects.Object, error) {
	found, err := count(c.meter, opGet, 0, func() (*objects.Object, error) { return c.of.Get(ctx, key, read) })
	if err == nil {
		c.meter.received.Add(float64(len(found.Content)))
	}
	return found, err
}

// Put implements objects.Bucket.
func (c *counted) Put(ctx context.Context, key string, content []byte, meta objects.Metadata, only objects.Condition) (objects.Tag, error) {
	return count(c.meter, opPut, int64(len(content)), func() (objects.Tag, error) { return c.of.Put(ctx, key, content, meta, only) })
}

// PutLong implements objects.Bucket.
func (c *counted) PutLong(ctx context.Context, key string, content io.ReadSeeker, length int64, meta objects.Metadata, only objects.Condition) (objects.Tag, error) {
	return count(c.meter, opPut, length, func() (objects.Tag, error) { return c.of.PutLong(ctx, key, content, length, meta, only) })
}

// Delete implements objects.Bucket.
func (c *counted) Delete(ctx context.Context, key string, only objects.Condition) error {
	_, err := count(c.meter, opDelete, 0, func() (nothing, error) { return nothing{}, c.of.Delete(ctx, key, only) })
	return err
}

// List implements objects.Bucket.
func (c *counted) List(ctx context.Context, list objects.List) (*objects.Page, error) {
	return count(c.meter, opList, 0, func() (*objects.Page, error) { return c.of.List(ctx, list) })
}

// Copy implements objects.Bucket.
func (c *counted) Copy(ctx context.Context, from, to string) (objects.Tag, error) {
	return count(c.meter, opCopy, 0, func() (objects.Tag, error) { return c.of.Copy(ctx, from, to) })
}

// Begin implements objects.Uploads.
func (c *counted) Begin(ctx context.Context, key string, meta objects.Metadata) (objects.Upload, error) {
	return count(c.meter, opBegin, 0, func() (objects.Upload, error) { return c.of.Begin(ctx, key, meta) })
}

// PutPart implements objects.Uploads.
func (c *counted) PutPart(ctx context.Context, key string, upload objects.Upload, number int, content []byte) (objects.Tag, error) {
	return count(c.meter, opPart, int64(len(content)), func() (objects.Tag, error) { return c.of.PutPart(ctx, key, upload, number, content) })
}

// CopyPart implements objects.Uploads.
func (c *counted) CopyPart(ctx context.Context, key string, upload objects.Upload, number int, from string, offset, length int64) (objects.Tag, error) {
	return count(c.meter, opCopyPart, 0, func() (objects.Tag, error) {
		return c.of.CopyPart(ctx, key, upload, number, from, offset, length)
	})
}

// Complete implements objects.Uploads.
func (c *counted) Complete(ctx context.Context, key string, upload objects.Upload, parts []objects.Tag, only objects.Condition) (objects.Tag, error) {
	return count(c.meter, opComplete, 0, func() (objects.Tag, error) { return c.of.Complete(ctx, key, upload, parts, only) })
}

// Abort implements objects.Uploads.
func (c *counted) Abort(ctx context.Context, key string, upload objects.Upload) error {
	_, err := count(c.meter, opAbort, 0, func() (nothing, error) { return nothing{}, c.of.Abort(ctx, key, upload) })
	return err
}
