package objectstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Server is an object store on loopback that holds one bucket.
type Server struct {
	Kind      string   // which one it is
	Endpoints []string // of its gateways, as URLs; what one of them answered, all know
	Bucket    string
	Owner     Rights // of the bucket
	User      Rights // who has no more than what docs/object-store.md says that a mount needs

	folder    string     // for all that the server keeps
	processes []*process // the first one started first
}

// Rights are what a client signs its requests with.
type Rights struct{ AccessKey, SecretKey string }

const (
	// Region is the one in which the servers are.
	Region = "us-east-1"
	// variable chooses the server on which tests run.
	variable = "RVFFS_OBJECT_STORE"
	// usual is that without a choice.
	usual = "versitygw"
	// tries is how often a server is started: somebody else may take a port that was free.
	tries = 3
	// patience is how long a server may take to do what it was asked to.
	patience = 2 * time.Minute
)

// kinds are the servers there are. Each starts its processes, and says by which URLs its
// gateways are reached; the bucket is made, and rights to it are given, by what all have in
// common.
var kinds = map[string]struct {
	start func(s *Server, gateways int) error
	// principal is how a policy names the user; nil: its rights are set when it starts.
	principal func(Rights) string
}{
	"versitygw": {(*Server).startVersitygw, func(user Rights) string { return user.AccessKey }},
	"seaweedfs": {(*Server).startSeaweedFS, nil},
	"ceph":      {(*Server).startCeph, func(Rights) string { return "arn:aws:iam:::user/" + cephUser }},
}

// Chosen is the server that the environment names.
func Chosen() string { return cmp.Or(os.Getenv(variable), usual) }

// Start starts the server that RVFFS_OBJECT_STORE names, versitygw without it, with so many
// gateways. It has an empty bucket, and runs until the test ends.
func Start(t testing.TB, gateways int) *Server {
	t.Helper()
	s, err := Launch(Chosen(), t.TempDir(), gateways)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Launch starts a server that keeps all it has in an empty folder. Its processes end with
// the program that has called, if nobody stops them before.
func Launch(kind, folder string, gateways int) (*Server, error) {
	how, known := kinds[kind]
	if !known {
		return nil, fmt.Errorf("there is no object store %q: %s is one of %s", kind, variable, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
	}
	var trouble error
	for try := range tries {
		s := &Server{
			Kind: kind, Bucket: "vectors", folder: filepath.Join(folder, fmt.Sprint("try", try)),
			Owner: Rights{"owner", "owns the bucket of the tests"}, User: Rights{"rvffs", "has the least rights of all"},
		}
		err := os.Mkdir(s.folder, 0o755)
		if err == nil {
			err = how.start(s, gateways)
		}
		if err == nil {
			err = s.prepare(how.principal)
		}
		if err == nil {
			return s, nil
		}
		trouble = errors.Join(trouble, fmt.Errorf("start %s: %w", kind, err), s.Stop())
		if !errors.Is(err, errEnded) {
			break
		}
	}
	return nil, trouble
}

// Stop ends all processes.
func (s *Server) Stop() (err error) {
	for _, p := range slices.Backward(s.processes) {
		err = errors.Join(err, p.stop())
	}
	s.processes = nil
	return err
}

// Environment is what the tools of the servers' kind take their rights from.
func (s *Server) Environment() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + s.User.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s.User.SecretKey, "AWS_REGION=" + Region,
		"AWS_ENDPOINT_URL=" + s.Endpoints[0],
	}
}

// prepare makes the bucket and gives the user the rights to it that the documentation says,
// and waits until all gateways know that.
func (s *Server) prepare(principal func(Rights) string) error {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	owner := s.client(s.Owner, s.Endpoints[0])
	if err := s.until(ctx, func() error { return makeBucket(ctx, owner, s.Bucket) }); err != nil {
		return err
	}
	if principal != nil {
		if err := s.until(ctx, func() error { return grant(ctx, owner, s.Bucket, principal(s.User)) }); err != nil {
			return err
		}
	}
	for _, endpoint := range s.Endpoints {
		user := s.client(s.User, endpoint)
		if err := s.until(ctx, func() error { return probe(ctx, user, s.Bucket) }); err != nil {
			return err
		}
	}
	return nil
}

// until tries something until it succeeds, as long as all processes run.
func (s *Server) until(ctx context.Context, try func() error) error {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		for _, p := range s.processes {
			if ended := p.running(); ended != nil {
				return errors.Join(ended, err)
			}
		}
		select {
		case <-ctx.Done():
			for _, p := range s.processes {
				err = errors.Join(err, p.lastWords())
			}
			return err
		case <-look.C:
		}
	}
}
