package objectstore

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
)

// cephUser is the name by which policies know the user.
const cephUser = "rvffs"

// cephSettings are those of a cluster of one machine whose objects are in memory. Nobody on
// loopback has to prove who he is, but to the gateways. Pools are made at once, and not each
// after a second; their placement groups are few, since all are in one place.
const cephSettings = `[global]
fsid = %[1]s
mon host = v2:127.0.0.1:%[2]s
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
ms mon service mode = crc
mon data = %[3]s/mon
mon allow pool size one = true
paxos propose interval = 0.05
osd data = %[3]s/osd
osd objectstore = memstore
memstore device bytes = 8589934592
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd class load list = *
osd class default list = *
run dir = %[3]s
admin socket = %[3]s/$name.sock
crash dir = %[3]s
log to file = false
log to stderr = true
rgw data = %[3]s
`

// startCeph starts a cluster of Debian's programs with one monitor and one store of objects,
// and gateways to it.
func (s *Server) startCeph(gateways int) error {
	ports, err := freePorts(gateways + 1)
	if err != nil {
		return err
	}
	cluster, store := uuid(), uuid()
	settings := filepath.Join(s.folder, "ceph.conf")
	if err := os.WriteFile(settings, fmt.Appendf(nil, cephSettings, cluster, ports[0], s.folder), 0o644); err != nil {
		return err
	}
	for _, folder := range []string{"mon", "osd"} {
		if err := os.Mkdir(filepath.Join(s.folder, folder), 0o755); err != nil {
			return err
		}
	}
	for _, step := range []func() error{
		func() error {
			return s.tool("monmaptool", "--create", "--addv", "a", "[v2:127.0.0.1:"+ports[0]+"]", "--fsid", cluster, "monmap")
		},
		func() error { return s.tool("ceph-mon", "-c", settings, "--mkfs", "-i", "a", "--monmap", "monmap") },
		func() error { return s.run("monitor", nil, "ceph-mon", "-c", settings, "-f", "-i", "a") },
		func() error { return s.tool("ceph", "-c", settings, "osd", "new", store) },
		func() error { return s.tool("ceph-osd", "-c", settings, "-i", "0", "--mkfs", "--osd-uuid", store) },
		func() error { return s.run("store", nil, "ceph-osd", "-c", settings, "-f", "-i", "0") },
		func() error { return s.cephUser(settings, "owner", s.Owner) },
		func() error { return s.cephUser(settings, cephUser, s.User) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	for i, port := range ports[1:] {
		s.Endpoints = append(s.Endpoints, "http://127.0.0.1:"+port)
		name := fmt.Sprint("gateway", i)
		if err := s.run(name, nil, "radosgw", "-c", settings, "-f", "-n", "client."+name, "--rgw-frontends", "beast endpoint=127.0.0.1:"+port); err != nil {
			return err
		}
	}
	return nil
}

// cephUser makes a user of the gateways.
func (s *Server) cephUser(settings, name string, rights Rights) error {
	return s.tool("radosgw-admin", "-c", settings, "user", "create", "--uid="+name, "--display-name="+name, "--access-key="+rights.AccessKey, "--secret-key="+rights.SecretKey)
}

// uuid is a random one.
func uuid() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // which never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
