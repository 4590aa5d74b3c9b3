package main

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestBuildOf(t *testing.T) {
	t.Parallel()
	of := func(version string, settings ...string) *debug.BuildInfo {
		info := &debug.BuildInfo{Main: debug.Module{Version: version}}
		for i := 0; i < len(settings); i += 2 {
			info.Settings = append(info.Settings, debug.BuildSetting{Key: settings[i], Value: settings[i+1]})
		}
		return info
	}
	const revision = "72714c82a2b8bf8de9564c2a719294dccf588ee5"
	for _, test := range []struct {
		name string
		info *debug.BuildInfo
		want string // how it begins
	}{
		{"nothing known", nil, "unknown (built without git, go"},
		{"files alone", of("(devel)"), "unknown (built without git, go"},
		{"a module", of("v1.2.3"), "v1.2.3 (go"},
		{"a checkout without tags", of("v0.0.0-20261126205449-72714c82a2b8", "vcs.revision", revision, "vcs.time", "2026-11-26T20:54:49Z"), "72714c82a2b8 (commit of 2026-11-26, go"},
		{"with changes", of("v0.0.0-20261126205449-72714c82a2b8+dirty", "vcs.revision", revision, "vcs.time", "2026-11-26T20:54:49Z", "vcs.modified", "true"), "72714c82a2b8 (commit of 2026-11-26, with changes, go"},
		{"behind a tag", of("v1.2.4-0.20261126205449-72714c82a2b8", "vcs.revision", revision, "vcs.time", "2026-11-26T20:54:49Z"), "v1.2.4-0.20261126205449-72714c82a2b8 (commit 72714c82a2b8 2026-11-26, go"},
		{"no version at all", of("", "vcs.revision", revision), "72714c82a2b8 (go"},
	} {
		if got := buildOf(test.info).String(); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
