package segments

import (
	"errors"
	"fmt"
	"strings"
)

// ErrMetric says that a text names no metric.
var ErrMetric = errors.New("unknown metric")

// Metric is how the distance between vectors is measured.
type Metric uint8

// The metrics of the format. Files from before there was a choice read as L2.
const (
	L2           Metric = 0
	InnerProduct Metric = 1
	Cosine       Metric = 2
)

var metricNames = map[Metric]string{L2: "l2", InnerProduct: "ip", Cosine: "cosine"}

// String returns "l2", "ip" or "cosine", or the number as "0x07".
func (m Metric) String() string { return numberName(m, metricNames) }

// Known reports whether the format defines m.
func (m Metric) Known() bool { return m <= Cosine }

// ParseMetric reads a name that String writes, or "inner_product", in upper
// or lower case. The error wraps ErrMetric.
func ParseMetric(text string) (Metric, error) {
	switch strings.ToLower(text) {
	case "l2":
		return L2, nil
	case "ip", "inner_product":
		return InnerProduct, nil
	case "cosine":
		return Cosine, nil
	}
	return 0, fmt.Errorf("%w: %.40q", ErrMetric, text)
}
