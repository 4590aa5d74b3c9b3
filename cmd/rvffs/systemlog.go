package main

import (
	"bytes"
	"log/syslog"
	"time"

	"github.com/rs/zerolog"
)

// systemLogs are the sockets on which the system takes log messages: syslogd, or the
// journal in its place.
var systemLogs = []string{"/dev/log", "/run/systemd/journal/dev-log", "/var/run/syslog"}

// systemLogQueue is how many messages may wait for the system, which may not answer. Those
// beyond are dropped: nobody may have to wait in order to say something.
const systemLogQueue = 1024

// systemLog passes the log on to the system's.
type systemLog struct {
	to    *syslog.Writer
	queue chan systemMessage
	end   chan struct{} // closed when no more is to be awaited
	done  chan struct{} // closed when what had come is written
}

type systemMessage struct {
	level zerolog.Level
	text  string
}

// openSystemLog finds the system's log; nil if there is none.
func openSystemLog(sockets []string) *systemLog {
	for _, socket := range sockets {
		to, err := syslog.Dial("unixgram", socket, syslog.LOG_DAEMON|syslog.LOG_INFO, "rvffs")
		if err != nil {
			continue
		}
		l := &systemLog{to: to, queue: make(chan systemMessage, systemLogQueue), end: make(chan struct{}), done: make(chan struct{})}
		go l.pass()
		return l
	}
	return nil
}

// Write passes on a line of no level.
func (l *systemLog) Write(line []byte) (int, error) { return l.WriteLevel(zerolog.NoLevel, line) }

// WriteLevel passes on a line, in the form that people read. The system adds the time.
func (l *systemLog) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	var text bytes.Buffer
	form := zerolog.ConsoleWriter{Out: &text, NoColor: true, PartsExclude: []string{zerolog.TimestampFieldName, zerolog.LevelFieldName}}
	if _, err := form.Write(line); err != nil {
		return 0, err
	}
	select {
	case l.queue <- systemMessage{level, text.String()}:
	default:
	}
	return len(line), nil
}

// pass writes what waits, until the end.
func (l *systemLog) pass() {
	defer close(l.done)
	for {
		select {
		case message := <-l.queue:
			l.write(message)
		case <-l.end:
			for {
				select {
				case message := <-l.queue:
					l.write(message)
				default:
					_ = l.to.Close()
					return
				}
			}
		}
	}
}

// write writes one message. An error means that the system takes none now.
func (l *systemLog) write(message systemMessage) {
	write := l.to.Info
	switch message.level {
	case zerolog.TraceLevel, zerolog.DebugLevel:
		write = l.to.Debug
	case zerolog.WarnLevel:
		write = l.to.Warning
	case zerolog.ErrorLevel:
		write = l.to.Err
	case zerolog.FatalLevel, zerolog.PanicLevel:
		write = l.to.Crit
	}
	_ = write(message.text)
}

// close writes what waits, unless the system does not answer.
func (l *systemLog) close() {
	if l == nil {
		return
	}
	close(l.end)
	select {
	case <-l.done:
	case <-time.After(stopPatience):
	}
}
