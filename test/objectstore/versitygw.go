package objectstore

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is an object store that runs until its test ends.
type Server struct {
	Endpoints []string // of its gateways, as URLs; what one of them answered, all know
	Bucket    string
	Folder    string // on this machine, where its objects lie as files
	AccessKey string
	SecretKey string
}

// Region is the one in which the servers are.
const Region = "us-east-1"

// Environment is what the tools of the servers' kind take their rights from.
func (s *Server) Environment() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + s.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s.SecretKey, "AWS_REGION=" + Region, "AWS_ENDPOINT_URL=" + s.Endpoints[0]}
}

// versitygw is the path of the server's program, which is built once.
var versitygw = sync.OnceValues(func() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	command := exec.Command("go", "-C", filepath.Join(filepath.Dir(here), "versitygw"), "tool", "-n", "versitygw")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	path, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("build versitygw: %w\n%s", err, stderr.Bytes())
	}
	return strings.TrimSpace(string(path)), nil
})

// StartVersitygw starts so many gateways over one folder, in which there is one empty
// bucket.
func StartVersitygw(t testing.TB, gateways int) *Server {
	t.Helper()
	program, err := versitygw()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Bucket: "vectors", Folder: t.TempDir(), AccessKey: "test", SecretKey: "only for tests"}
	if err := os.Mkdir(filepath.Join(s.Folder, s.Bucket), 0o755); err != nil {
		t.Fatal(err)
	}
	for range gateways {
		s.Endpoints = append(s.Endpoints, s.startGateway(t, program))
	}
	return s
}

// startGateway starts one of a server's gateways and waits until it answers.
func (s *Server) startGateway(t testing.TB, program string) (endpoint string) {
	t.Helper()
	const tries, patience = 5, 90 * time.Second
	var trouble error
	for range tries { // for somebody else may take the port that was free
		address, err := freeAddress()
		if err != nil {
			t.Fatal(err)
		}
		var output bytes.Buffer
		gateway := exec.Command(program, "--port", address, "--region", Region, "--health", "/health", "--quiet", "posix", s.Folder)
		gateway.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.AccessKey, "ROOT_SECRET_KEY="+s.SecretKey, "GOMEMLIMIT=256MiB")
		gateway.Stdout, gateway.Stderr = &output, &output
		if err := gateway.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- gateway.Wait() }()
		stop := func() {
			_ = gateway.Process.Signal(syscall.SIGTERM)
			<-ended
		}
		endpoint = "http://" + address
		err = answers(endpoint+"/health", ended, patience)
		if err == nil {
			t.Cleanup(stop)
			return endpoint
		}
		if !errors.Is(err, errEnded) {
			stop()
		}
		trouble = errors.Join(trouble, fmt.Errorf("%s: %w\n%s", endpoint, err, output.Bytes()))
	}
	t.Fatal(trouble)
	return ""
}

// errEnded says that a server ended by itself.
var errEnded = errors.New("the server ended")

// answers waits until a server answers at a URL.
func answers(url string, ended <-chan error, patience time.Duration) error {
	client := http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	end, look := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer look.Stop()
	for {
		response, err := client.Get(url)
		if err == nil {
			err = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return err
			}
			err = errors.New(response.Status)
		}
		select {
		case status := <-ended:
			return fmt.Errorf("%w: %w", errEnded, errors.Join(status, err))
		case <-end:
			return err
		case <-look.C:
		}
	}
}

// freeAddress is one of loopback at which nobody listens.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
