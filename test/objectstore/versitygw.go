package objectstore

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// startVersitygw starts gateways over one folder.
func (s *Server) startVersitygw(gateways int) error {
	program, err := versitygw()
	if err != nil {
		return err
	}
	accounts, err := json.Marshal(map[string]any{"accessAccounts": map[string]any{
		s.User.AccessKey: map[string]any{"access": s.User.AccessKey, "secret": s.User.SecretKey, "role": "user"},
	}})
	if err != nil {
		return err
	}
	data, versions, accountsFolder := filepath.Join(s.folder, "data"), filepath.Join(s.folder, "versions"), filepath.Join(s.folder, "accounts")
	for _, folder := range []string{data, versions, accountsFolder} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(accountsFolder, "users.json"), accounts, 0o600); err != nil {
		return err
	}
	ports, err := freePorts(gateways)
	if err != nil {
		return err
	}
	owner := []string{"ROOT_ACCESS_KEY=" + s.Owner.AccessKey, "ROOT_SECRET_KEY=" + s.Owner.SecretKey, "GOMEMLIMIT=256MiB"}
	for i, port := range ports {
		s.Endpoints = append(s.Endpoints, "http://127.0.0.1:"+port)
		err := s.run(fmt.Sprint("gateway", i), owner, program, "--port", "127.0.0.1:"+port, "--region", Region, "--iam-dir", accountsFolder, "--quiet", "posix", "--versioning-dir", versions, data)
		if err != nil {
			return err
		}
	}
	return nil
}
