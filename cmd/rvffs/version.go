package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// build is what is known of how this program was built.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"time,omitempty"` // of the commit
	Modified bool   `json:"modified"`       // files were changed since
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// undated is a version without a tag below it, of which the commit says more.
const undated = "v0.0.0-"

// buildOf reads what the toolchain wrote down: of a checkout the commit, and the tag that
// it has or follows; of a module its version; of files alone nothing.
func buildOf(info *debug.BuildInfo) build {
	b := build{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info == nil {
		return b
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			b.Commit = setting.Value
		case "vcs.time":
			b.Time = setting.Value
		case "vcs.modified":
			b.Modified = setting.Value == "true"
		}
	}
	if v := strings.TrimSuffix(info.Main.Version, "+dirty"); v != "" && v != "(devel)" && !strings.HasPrefix(v, undated) {
		b.Version = v
	} else if b.Commit != "" {
		b.Version = b.Commit[:min(len(b.Commit), 12)]
	}
	return b
}

// thisBuild is that of the program that runs.
func thisBuild() build {
	info, _ := debug.ReadBuildInfo()
	return buildOf(info)
}

// String is the version in a line.
func (b build) String() string {
	var about []string
	day, _, _ := strings.Cut(b.Time, "T")
	switch {
	case b.Commit == "" && b.Version == "unknown":
		about = append(about, "built without git")
	case b.Commit != "" && !strings.HasPrefix(b.Commit, b.Version):
		about = append(about, strings.TrimSpace("commit "+b.Commit[:min(len(b.Commit), 12)]+" "+day))
	case day != "":
		about = append(about, "commit of "+day)
	}
	if b.Modified {
		about = append(about, "with changes")
	}
	return fmt.Sprintf("%s (%s)", b.Version, strings.Join(append(about, b.Go, b.Platform), ", "))
}

// version is the line for those who show one.
func version() string { return thisBuild().String() }

func newVersionCommand() *cobra.Command {
	var answer *answerFlag
	command := &cobra.Command{
		Use:   "version",
		Short: "Tell which rvffs this is",
		Args:  takes(),
		RunE: func(command *cobra.Command, _ []string) error {
			b := thisBuild()
			return answer.printf(command.OutOrStdout(), b, "rvffs %s\n", b)
		},
	}
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}
