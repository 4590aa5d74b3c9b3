package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// TestSystemLogHasWhatPeopleRead, with the level as the system's priority.
func TestSystemLogHasWhatPeopleRead(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "log")
	system, err := net.ListenPacket("unixgram", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer system.Close()
	if err := system.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	l := openSystemLog([]string{filepath.Join(t.TempDir(), "absent"), socket})
	if l == nil {
		t.Fatal("the system's log is not found")
	}
	log := zerolog.New(zerolog.MultiLevelWriter(l)).With().Timestamp().Logger()
	log.Info().Str("mountpoint", "/mnt/vectors").Msg("mounted")
	log.Error().Msg("cannot unmount")
	buffer := make([]byte, 4096)
	const daemon = 3 << 3
	for _, want := range []struct {
		priority int
		text     string
	}{{daemon | 6, "mounted mountpoint=/mnt/vectors"}, {daemon | 3, "cannot unmount"}} {
		n, _, err := system.ReadFrom(buffer)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.TrimSpace(string(buffer[:n]))
		if !strings.HasPrefix(got, fmt.Sprintf("<%d>", want.priority)) || !strings.Contains(got, " rvffs[") || !strings.HasSuffix(got, "]: "+want.text) {
			t.Errorf("the system is told %q, want %d and %q", got, want.priority, want.text)
		}
	}
	l.close()
}

// TestSystemLogKeepsNobodyWaiting: whoever has something to say goes on, although the
// system takes nothing.
func TestSystemLogKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "log")
	system, err := net.ListenPacket("unixgram", socket)
	if err != nil {
		t.Fatal(err)
	}
	l := openSystemLog([]string{socket})
	if l == nil {
		t.Fatal("the system's log is not found")
	}
	log := zerolog.New(l)
	for i := range 4 * systemLogQueue {
		log.Info().Msgf("message %d", i)
	}
	if err := system.Close(); err != nil {
		t.Fatal(err)
	}
	l.close()
}
