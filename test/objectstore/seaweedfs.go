package objectstore

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// startSeaweedFS starts a server with one filer and a gateway in one process, and the other
// gateways beside it.
func (s *Server) startSeaweedFS(gateways int) error {
	program, err := weed()
	if err != nil {
		return err
	}
	identity := func(name string, rights Rights, actions ...string) map[string]any {
		return map[string]any{"name": name, "credentials": []any{map[string]string{"accessKey": rights.AccessKey, "secretKey": rights.SecretKey}}, "actions": actions}
	}
	least, err := documentedActions()
	if err != nil {
		return err
	}
	identities, err := json.Marshal(map[string]any{"identities": []any{identity("owner", s.Owner, "Admin"), identity("rvffs", s.User, least...)}})
	if err != nil {
		return err
	}
	rights := filepath.Join(s.folder, "identities.json")
	if err := os.WriteFile(rights, identities, 0o600); err != nil {
		return err
	}
	data := filepath.Join(s.folder, "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		return err
	}
	ports, err := freePorts(6 + 2*gateways)
	if err != nil {
		return err
	}
	filer := "127.0.0.1:" + ports[4] + "." + ports[5]
	arguments := []string{
		"server", "-dir=" + data, "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false",
		"-master.port=" + ports[0], "-master.port.grpc=" + ports[1], "-master.volumeSizeLimitMB=1024",
		"-volume.port=" + ports[2], "-volume.port.grpc=" + ports[3], "-volume.max=0",
		"-filer", "-filer.port=" + ports[4], "-filer.port.grpc=" + ports[5], "-filer.localSocket=" + filepath.Join(s.folder, "filer.sock"),
		"-s3", "-s3.port=" + ports[6], "-s3.port.grpc=" + ports[7], "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.config=" + rights, "-s3.localSocket=" + filepath.Join(s.folder, "s3.sock"),
	}
	if err := s.run("server", nil, program, arguments...); err != nil {
		return err
	}
	s.Endpoints = []string{"http://127.0.0.1:" + ports[6]}
	for i := 1; i < gateways; i++ {
		port, internal := ports[6+2*i], ports[7+2*i]
		arguments := []string{
			"s3", "-filer=" + filer, "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-port=" + port, "-port.grpc=" + internal, "-port.iceberg=0", "-port.lance=0",
			"-config=" + rights, "-localSocket=" + filepath.Join(s.folder, fmt.Sprint("s3-", i, ".sock")),
		}
		if err := s.run(fmt.Sprint("gateway", i), nil, program, arguments...); err != nil {
			return err
		}
		s.Endpoints = append(s.Endpoints, "http://127.0.0.1:"+port)
	}
	return nil
}
