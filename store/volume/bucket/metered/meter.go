package metered

import (
	"context"
	"errors"
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
func (m *Meter) count(operation string, sends []byte, do func() error) {
	begun := time.Now()
	m.underWay.Inc()
	m.sent.Add(float64(len(sends)))
	err := do()
	m.underWay.Dec()
	m.requests.WithLabelValues(operation, resultOf(err)).Inc()
	m.seconds.WithLabelValues(operation).Observe(time.Since(begun).Seconds())
}

// Get implements objects.Bucket.
func (c *counted) Get(ctx context.Context, key string, read objects.Read) (found *objects.Object, err error) {
	c.meter.count(opGet, nil, func() error {
		found, err = c.of.Get(ctx, key, read)
		return err
	})
	if err == nil {
		c.meter.received.Add(float64(len(found.Content)))
	}
	return found, err
}

// Put implements objects.Bucket.
func (c *counted) Put(ctx context.Context, key string, content []byte, meta objects.Metadata, only objects.Condition) (tag objects.Tag, err error) {
	c.meter.count(opPut, content, func() error {
		tag, err = c.of.Put(ctx, key, content, meta, only)
		return err
	})
	return tag, err
}

// Delete implements objects.Bucket.
func (c *counted) Delete(ctx context.Context, key string, only objects.Condition) (err error) {
	c.meter.count(opDelete, nil, func() error {
		err = c.of.Delete(ctx, key, only)
		return err
	})
	return err
}

// List implements objects.Bucket.
func (c *counted) List(ctx context.Context, list objects.List) (page *objects.Page, err error) {
	c.meter.count(opList, nil, func() error {
		page, err = c.of.List(ctx, list)
		return err
	})
	return page, err
}

// Copy implements objects.Bucket.
func (c *counted) Copy(ctx context.Context, from, to string) (tag objects.Tag, err error) {
	c.meter.count(opCopy, nil, func() error {
		tag, err = c.of.Copy(ctx, from, to)
		return err
	})
	return tag, err
}

// Begin implements objects.Uploads.
func (c *counted) Begin(ctx context.Context, key string) (upload objects.Upload, err error) {
	c.meter.count(opBegin, nil, func() error {
		upload, err = c.of.Begin(ctx, key)
		return err
	})
	return upload, err
}

// PutPart implements objects.Uploads.
func (c *counted) PutPart(ctx context.Context, key string, upload objects.Upload, number int, content []byte) (tag objects.Tag, err error) {
	c.meter.count(opPart, content, func() error {
		tag, err = c.of.PutPart(ctx, key, upload, number, content)
		return err
	})
	return tag, err
}

// CopyPart implements objects.Uploads.
func (c *counted) CopyPart(ctx context.Context, key string, upload objects.Upload, number int, from string, offset, length int64) (tag objects.Tag, err error) {
	c.meter.count(opCopyPart, nil, func() error {
		tag, err = c.of.CopyPart(ctx, key, upload, number, from, offset, length)
		return err
	})
	return tag, err
}

// Complete implements objects.Uploads.
func (c *counted) Complete(ctx context.Context, key string, upload objects.Upload, parts []objects.Tag) (tag objects.Tag, err error) {
	c.meter.count(opComplete, nil, func() error {
		tag, err = c.of.Complete(ctx, key, upload, parts)
		return err
	})
	return tag, err
}

// Abort implements objects.Uploads.
func (c *counted) Abort(ctx context.Context, key string, upload objects.Upload) (err error) {
	c.meter.count(opAbort, nil, func() error {
		err = c.of.Abort(ctx, key, upload)
		return err
	})
	return err
}
