package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync/atomic"

	"github.com/rs/zerolog"

	"rvffs/statedir"
	"rvffs/store/catalog"
	"rvffs/store/journal"
)

const (
	// recentSize is how much of the log the control folder shows, in bytes.
	recentSize = 64 << 10
	// logName is the log's among those that are kept.
	logName = "log"
)

// mountLog is where a mount's log goes: to the control folder in any case, and to the
// state directory, where it lasts; and to a file, to standard error or to the system's log.
type mountLog struct {
	zerolog.Logger
	recent *journal.Log
	file   *logFile // nil without
	system *systemLog
	state  *statedir.State // nil without
}

// openLog makes the log: to the log file if one is given, else to standard error, or to
// the system's log if the process is on its way to the background.
func openLog(options mountOptions, background bool, state *statedir.State) (l *mountLog, err error) {
	level, err := zerolog.ParseLevel(string(options.logLevel))
	if err != nil {
		return nil, err
	}
	l = &mountLog{recent: journal.New(), state: state}
	if state != nil {
		before, err := state.Load(logName)
		if err != nil {
			return nil, err
		}
		l.recent.Append(before, recentSize)
	}
	writers := []io.Writer{recentLines{l.recent, state}}
	switch {
	case options.logFile != "":
		l.file = &logFile{name: options.logFile}
		if err := l.file.reopen(); err != nil {
			return nil, err
		}
		writers = append(writers, l.file)
	case !background:
		writers = append(writers, zerolog.ConsoleWriter{Out: os.Stderr, NoColor: true, TimeFormat: "15:04:05.000"})
	default:
		if l.system = openSystemLog(systemLogs); l.system != nil {
			writers = append(writers, l.system)
		}
	}
	l.Logger = zerolog.New(zerolog.MultiLevelWriter(writers...)).Level(level).With().Timestamp().Logger()
	return l, l.keepCrashes()
}

// keepCrashes has the trace of a crash written to the log file, or to the state directory
// where there is none.
func (l *mountLog) keepCrashes() error {
	switch {
	case l.file != nil:
		return l.file.takeCrashes()
	case l.state != nil:
		return debug.SetCrashOutput(l.state.Crash(), debug.CrashOptions{})
	}
	return nil
}

// tellCrash tells of a crash of a mount before.
func (l *mountLog) tellCrash() {
	if l.state == nil {
		return
	}
	if trace := l.state.CrashBefore(); trace != "" {
		l.Error().Str("trace", trace).Msg("an earlier mount of this directory ended in a crash; what was acknowledged is there")
	}
}

// reopen goes on in a new log file where the old one was moved away.
func (l *mountLog) reopen() {
	if l.file == nil {
		return
	}
	if err := errors.Join(l.file.reopen(), l.file.takeCrashes()); err != nil {
		l.Error().Err(err).Msg("cannot open the log file again; the log goes on in the old one")
	}
}

// keeper keeps the logs of stores; nil where nothing can.
func (l *mountLog) keeper() catalog.Keeper {
	if l.state == nil {
		return nil
	}
	return l.state
}

// close ends what writes in the background.
func (l *mountLog) close() error {
	l.system.close()
	if l.state == nil {
		return nil
	}
	return errors.Join(debug.SetCrashOutput(nil, debug.CrashOptions{}), l.state.Close())
}

// recentLines is a writer that keeps the last lines. Each is a JSON object; one that
// has the members store and owner is about that store.
type recentLines struct {
	recent *journal.Log
	state  *statedir.State
}

// Write adds a line.
func (r recentLines) Write(line []byte) (int, error) {
	r.recent.Append(line, recentSize)
	if r.state != nil {
		r.state.Keep(logName, line)
	}
	return len(line), nil
}

// subject is the store that a line is about, and its owner at that time.
func subject(line []byte) (file string, owner uint32, known bool) {
	var about struct {
		Store string
		Owner *uint32
	}
	if json.Unmarshal(line, &about) != nil || about.Store == "" || about.Owner == nil {
		return "", 0, false
	}
	return about.Store, *about.Owner, true
}

// logFile is a file that the log is appended to, until it is moved away and opened again.
type logFile struct {
	name string
	file atomic.Pointer[os.File]
}

// Write adds a line.
func (f *logFile) Write(line []byte) (int, error) {
	for {
		file := f.file.Load()
		n, err := file.Write(line)
		if errors.Is(err, os.ErrClosed) && file != f.file.Load() {
			continue
		}
		return n, err
	}
}

// reopen opens the file of this name, which may be another one by now.
func (f *logFile) reopen() error {
	file, err := os.OpenFile(f.name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return fmt.Errorf("log file: %w", err)
	}
	if former := f.file.Swap(file); former != nil {
		return former.Close()
	}
	return nil
}

// takeCrashes has the trace of a crash written to the file.
func (f *logFile) takeCrashes() error {
	return debug.SetCrashOutput(f.file.Load(), debug.CrashOptions{})
}
