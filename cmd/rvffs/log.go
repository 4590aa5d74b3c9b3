package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/rs/zerolog"
)

// recentSize is how much of the log the control folder shows, in bytes.
const recentSize = 64 << 10

// recentLines is a writer that keeps the last lines. Each is a JSON object; one that
// has the members store and owner is about that store.
type recentLines struct {
	mu    sync.Mutex
	lines []byte
}

// Write adds a line.
func (r *recentLines) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line...)
	if len(r.lines) > recentSize {
		// Half of it goes at once, so that this happens rarely, and up to a whole line.
		kept := r.lines[len(r.lines)-recentSize/2:]
		for i, c := range kept {
			if c == '\n' {
				kept = kept[i+1:]
				break
			}
		}
		r.lines = append([]byte(nil), kept...)
	}
	return len(line), nil
}

// Recent gives the lines: all of them, or those about stores for which may decides.
func (r *recentLines) Recent(may func(file string, owner uint32) bool) []byte {
	r.mu.Lock()
	lines := bytes.Clone(r.lines)
	r.mu.Unlock()
	if may == nil {
		return lines
	}
	type subject struct {
		Store string
		Owner *uint32
	}
	decided := map[string]bool{}
	var kept []byte
	for line := range bytes.Lines(lines) {
		var about subject
		if json.Unmarshal(line, &about) != nil || about.Store == "" || about.Owner == nil {
			continue
		}
		key := fmt.Sprint(*about.Owner, " ", about.Store)
		shown, known := decided[key]
		if !known {
			shown = may(about.Store, *about.Owner)
			decided[key] = shown
		}
		if shown {
			kept = append(kept, line...)
		}
	}
	return kept
}

// openLog makes the log: to the log file if one is given, else to standard error
// unless the process is on its way to the background; and to the lines in any case.
func openLog(options mountOptions, background bool) (zerolog.Logger, *recentLines, error) {
	level, err := zerolog.ParseLevel(options.logLevel)
	if err != nil {
		return zerolog.Logger{}, nil, err
	}
	lines := &recentLines{}
	writers := []io.Writer{lines}
	switch {
	case options.logFile != "":
		file, err := os.OpenFile(options.logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
		if err != nil {
			return zerolog.Logger{}, nil, err
		}
		writers = append(writers, file)
	case !background:
		writers = append(writers, zerolog.ConsoleWriter{Out: os.Stderr, NoColor: true, TimeFormat: "15:04:05.000"})
	}
	return zerolog.New(zerolog.MultiLevelWriter(writers...)).Level(level).With().Timestamp().Logger(), lines, nil
}
