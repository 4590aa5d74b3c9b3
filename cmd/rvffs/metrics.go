package main

import (
	"bytes"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"rvffs/store/volume/bucket/metered"
)

// metricsName is the text of the control folder that tells what a mount has done, for
// Prometheus.
const metricsName = "metrics"

// metrics are what a mount counts.
type metrics struct {
	registry *prometheus.Registry
	bucket   *metered.Meter // nil: the stores are in no bucket
}

// newMetrics counts what every mount does, and what it asks of a bucket where it has one.
func newMetrics(backing string, held mountMemory) (*metrics, error) {
	m := &metrics{registry: prometheus.NewRegistry()}
	parts := []prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "rvffs_memory_used_bytes", Help: "Bytes that the mount holds for its users, of those that --memory allows.",
		}, func() float64 { return float64(held.budget.Usage().Used) }),
	}
	if siteOf(backing) == (bucketSite{}) {
		m.bucket = metered.NewMeter()
		parts = append(parts, m.bucket)
	}
	var failed error
	for _, part := range parts {
		failed = errors.Join(failed, m.registry.Register(part))
	}
	return m, failed
}

// text is what was counted, in the format of Prometheus.
func (m *metrics) text() []byte {
	families, err := m.registry.Gather()
	var text bytes.Buffer
	encoder := expfmt.NewEncoder(&text, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		err = errors.Join(err, encoder.Encode(family))
	}
	if err != nil {
		return []byte("# " + err.Error() + "\n")
	}
	return text.Bytes()
}
