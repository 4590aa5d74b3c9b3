package metered_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"rvffs/store/volume/bucket/memory"
	"rvffs/store/volume/bucket/metered"
	"rvffs/store/volume/bucket/objects"
)

// counts are the counters of a kind, by operation and result.
func counts(t *testing.T, families []*dto.MetricFamily, name string) map[[2]string]float64 {
	t.Helper()
	found := map[[2]string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			var labels [2]string
			for i, label := range metric.GetLabel() {
				labels[i] = label.GetValue()
			}
			found[labels] = metric.GetCounter().GetValue()
		}
	}
	return found
}

func gather(t *testing.T, meter *metered.Meter) []*dto.MetricFamily {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(meter)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// Each kind of request is counted with how it ended, and as often as the bucket saw it.
func TestMeter(t *testing.T) {
	t.Parallel()
	ctx, below := t.Context(), memory.New()
	faults := map[string]memory.Fault{}
	below.Fault = func(r memory.Request) memory.Fault { return faults[r.Key] }
	faults["lost"], faults["refused"], faults["conflict"] = memory.Lost, memory.Refused, memory.Conflict
	meter := metered.NewMeter()
	b := meter.Bucket(below)
	content := make([]byte, 1000)
	put := func(key string, only objects.Condition) error {
		_, err := b.Put(ctx, key, content, nil, only)
		return err
	}
	get := func(key string, read objects.Read) error {
		_, err := b.Get(ctx, key, read)
		return err
	}
	if err := put("a", objects.Condition{None: true}); err != nil {
		t.Fatal(err)
	}
	found, err := b.Get(ctx, "a", objects.Read{Length: 300})
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(ctx)
	end()
	upload, err := b.Begin(ctx, "parts", nil)
	if err != nil {
		t.Fatal(err)
	}
	part, err := b.PutPart(ctx, "parts", upload, 1, content)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := b.CopyPart(ctx, "parts", upload, 2, "a", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	_, tooSmall := b.Complete(ctx, "parts", upload, []objects.Tag{part, copied}, objects.Condition{})
	_, none := b.Copy(ctx, "nothing", "copy")
	_, listed := b.List(ctx, objects.List{})
	for i, step := range []struct{ err, want error }{
		{put("a", objects.Condition{None: true}), objects.ErrCondition},
		{put("refused", objects.Condition{}), objects.ErrServer},
		{put("conflict", objects.Condition{}), objects.ErrConflict},
		{get("nothing", objects.Read{}), objects.ErrNotFound},
		{get("a", objects.Read{NoneMatch: found.Tag}), objects.ErrSame},
		{b.Delete(ctx, "a", objects.Condition{}), nil},
		{b.Abort(ctx, "parts", upload), nil},
		{none, objects.ErrNotFound},
		{listed, nil},
	} {
		if !errors.Is(step.err, step.want) {
			t.Fatalf("step %d: %v, want %v", i, step.err, step.want)
		}
	}
	if put("lost", objects.Condition{}) == nil || tooSmall == nil {
		t.Fatal("a fault is no error")
	}
	if _, err := b.Get(ended, "a", objects.Read{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	families := gather(t, meter)
	got := counts(t, families, "rvffs_bucket_requests_total")
	want := map[[2]string]float64{
		{"put", "ok"}: 1, {"put", "condition"}: 1, {"put", "failed"}: 1, {"put", "conflict"}: 1, {"put", "unanswered"}: 1,
		{"get", "ok"}: 1, {"get", "not_found"}: 1, {"get", "same"}: 1, {"get", "canceled"}: 1,
		{"delete", "ok"}: 1, {"list", "ok"}: 1, {"copy", "not_found"}: 1,
		{"upload_begin", "ok"}: 1, {"upload_part", "ok"}: 1, {"upload_copy_part", "ok"}: 1, {"upload_abort", "ok"}: 1,
	}
	for labels, count := range want {
		if got[labels] != count {
			t.Errorf("%v is counted %v times, want %v", labels, got[labels], count)
		}
		delete(got, labels)
	}
	for labels, count := range got {
		if labels[0] != "upload_complete" || count != 1 {
			t.Errorf("%v is counted %v times", labels, count)
		}
	}
	if sent := counts(t, families, "rvffs_bucket_sent_bytes_total")[[2]string{}]; sent != 6000 {
		t.Errorf("%v bytes were sent, want 6000: five objects and a part", sent)
	}
	if received := counts(t, families, "rvffs_bucket_received_bytes_total")[[2]string{}]; received != 300 {
		t.Errorf("%v bytes were received, want 300", received)
	}
}

// The names and texts are as Prometheus wants them.
func TestMetricsAreLinted(t *testing.T) {
	t.Parallel()
	meter := metered.NewMeter()
	if _, err := meter.Bucket(memory.New()).List(t.Context(), objects.List{}); err != nil {
		t.Fatal(err)
	}
	meter.Swapped(metered.Beaten)
	meter.Found(metered.Disk)
	meter.Holds(1)
	var text bytes.Buffer
	families := gather(t, meter)
	if len(families) != 8 {
		t.Errorf("%d metrics of 8 are there", len(families))
	}
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			t.Fatal(err)
		}
	}
	problems, err := promlint.New(&text).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}
