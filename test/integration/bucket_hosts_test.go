package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// machines are hosts as far as a network goes: namespaces, each with a cable to one bridge, on
// which the server is.
type machines struct {
	t      *testing.T
	name   string
	bridge string // its address
	net    string
	count  int
}

// newNetwork makes a bridge. It needs root.
func newNetwork(t *testing.T) *machines {
	t.Helper()
	if os.Geteuid() != 0 {
		demand(t, "networks of their own", os.ErrPermission)
	}
	demandProgram(t, "ip")
	demandProgram(t, "nsenter")
	number := rand.IntN(1 << 14)
	m := &machines{t: t, name: fmt.Sprintf("rvffs%d", number), net: fmt.Sprintf("10.%d.%d", 64+number>>8, number&255)}
	m.bridge = m.net + ".1"
	run(t, "ip", "link", "add", m.name, "type", "bridge")
	t.Cleanup(func() { run(t, "ip", "link", "delete", m.name) })
	run(t, "ip", "address", "add", m.bridge+"/24", "dev", m.name)
	run(t, "ip", "link", "set", m.name, "up")
	return m
}

// machine is one of them.
type machine struct {
	program string // rvffs, run on it
	cable   string
}

// add adds a machine to the network.
func (m *machines) add() *machine {
	t := m.t
	t.Helper()
	m.count++
	name := fmt.Sprintf("%s-%d", m.name, m.count)
	run(t, "ip", "netns", "add", name)
	t.Cleanup(func() { run(t, "ip", "netns", "delete", name) })
	run(t, "ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
	run(t, "ip", "link", "set", name, "master", m.name, "up")
	run(t, "ip", "-n", name, "address", "add", fmt.Sprintf("%s.%d/24", m.net, 1+m.count), "dev", "eth0")
	run(t, "ip", "-n", name, "link", "set", "eth0", "up")
	run(t, "ip", "-n", name, "link", "set", "lo", "up")
	home := t.TempDir()
	wrapper := filepath.Join(home, "rvffs")
	script := fmt.Sprintf("#!/bin/sh\nexport XDG_CACHE_HOME=%q XDG_STATE_HOME=%q\nexec nsenter --net=/run/netns/%s %q \"$@\"\n", home+"/cache", home+"/state", name, program)
	if err := os.WriteFile(wrapper, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return &machine{program: wrapper, cable: name}
}

// plug pulls the cable out or puts it in.
func (m *machine) plug(t *testing.T, in bool) {
	t.Helper()
	run(t, "ip", "link", "set", m.cable, map[bool]string{true: "up", false: "down"}[in])
}
