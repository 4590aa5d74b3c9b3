package integration

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rvffs/test/integration/peer"
	"rvffs/test/integration/rawfile"
	"rvffs/test/objectstore"
)

// TestBucketKeepsWhatWasAcknowledged: mounts write to one store at once, eight writers each,
// while others delete and compact, by way of a network that spoils one write in five; mounts
// are killed and begun again, and machines lose their network for a while. Nothing that close
// acknowledged is lost or there twice, as a mount that comes later, the file that it gives and
// the reference runtime say.
//
// RVFFS_BUCKET_SECONDS says how long each part takes, and has more of them; RVFFS_BUCKET_SEED
// repeats the choices.
func TestBucketKeepsWhatWasAcknowledged(t *testing.T) {
	seed := fromEnvironment(t, "RVFFS_BUCKET_SEED", rand.Uint64())
	seconds := fromEnvironment(t, "RVFFS_BUCKET_SECONDS", 0)
	t.Logf("RVFFS_BUCKET_SEED=%d", seed)
	for _, c := range []struct {
		name   string
		mounts int
		hosts  bool
		brief  bool // it has a brief form
	}{
		{"two mounts", 2, false, true}, {"three mounts", 3, false, false}, {"two hosts", 2, true, false}, {"three hosts", 3, true, true},
	} {
		if seconds == 0 && !c.brief {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			newHistory(t, seed, c.mounts, c.hosts).run(time.Duration(max(seconds, 2)) * time.Second)
		})
	}
}

// history is one of a store at which several mounts are at work.
type history struct {
	t        *testing.T
	seed     uint64
	source   *rand.Rand // of who kills
	server   *objectstore.Server
	spoilers []*objectstore.Spoiler
	posts    []*post
	tally    map[string]int
}

// post is a place where a mount stands, one after the other.
type post struct {
	machine  *machine // nil: this one
	point    string
	endpoint string
	m        *mount
	// disturbed are the spans in which something was done to the mount.
	disturbed [][2]time.Time
}

func newHistory(t *testing.T, seed uint64, mounts int, hosts bool) *history {
	t.Helper()
	h := &history{
		t: t, seed: seed, source: rand.New(rand.NewPCG(seed, 2)), server: objectstore.Start(t, 2), tally: map[string]int{},
	}
	inBucket(t, h.server)
	address := "127.0.0.1:0"
	var network *machines
	if hosts {
		network = newNetwork(t)
		address = network.bridge + ":0"
	}
	for i, endpoint := range h.server.Endpoints {
		h.spoilers = append(h.spoilers, objectstore.SpoilAt(t, address, endpoint, 5, seed+uint64(i)))
	}
	setup := serveBucket(t, h.server, h.server.Endpoints[0], "team")
	shell(t, `mkdir "$1/a.rvf"; echo "{\"id\":$2,\"vector\":$3}" > "$1/a.rvf/vectors.append"`, setup.Point, fmt.Sprint(handedOut),
		"["+strings.Repeat("0,", journalDimension-1)+"0]")
	setup.stop()
	for i := range mounts {
		p := &post{point: t.TempDir(), endpoint: h.spoilers[i%len(h.spoilers)].URL}
		if hosts {
			p.machine = network.add()
		}
		h.posts = append(h.posts, p)
		unmountAtEnd(t, p.point)
		h.mount(p)
	}
	return h
}

// mount mounts at a post.
func (h *history) mount(p *post) {
	h.t.Helper()
	program := program
	if p.machine != nil {
		program = p.machine.program
	}
	p.m = serveBy(h.t, program, "s3://"+h.server.Bucket+"/team", p.point, "--endpoint", p.endpoint)
}

// run has all at work for a time, and looks at what is there in the end.
func (h *history) run(span time.Duration) {
	t := h.t
	t.Helper()
	begun := time.Now()
	var processes []*writersProcess
	for i := range h.posts {
		processes = append(processes, h.start(i))
	}
	h.disturb(begun.Add(span))
	var result writersResult
	for _, p := range processes {
		if err := p.orders.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, p := range processes {
		p.end(t, &result)
	}
	written := time.Since(begun)
	for _, p := range h.posts {
		p.m.stop()
	}
	var commits, vectors, spoiled int
	for _, j := range result.Journals {
		commits, vectors = commits+j.Commits, vectors+j.Vectors
	}
	for _, s := range h.spoilers {
		spoiled += s.Spoiled()
	}
	maps.Copy(h.tally, result.Tally)
	t.Logf("%d commits of %d vectors were acknowledged in %v, %d requests spoiled; %v", commits, vectors, written.Round(time.Second/10), spoiled, h.tally)
	if commits == 0 {
		t.Error("nothing was acknowledged")
	}
	reported := 0
	for _, f := range result.Failures {
		unanswered := strings.Contains(f.What, "the server does not answer") // several times in a row
		if !h.posts[f.Mount].wasDisturbed(f.From, f.To) && !unanswered && reported < 10 {
			t.Errorf("nothing was done to a mount, and within %v: %s", f.To.Sub(f.From).Round(time.Millisecond), f.What)
			reported++
		}
	}
	h.check(result.Journals)
}

// writersProcess is one whose writers write by a mount.
type writersProcess struct {
	command *exec.Cmd
	orders  io.WriteCloser
	output  bytes.Buffer
	trouble bytes.Buffer
}

// start starts the writers of a post.
func (h *history) start(post int) *writersProcess {
	t := h.t
	t.Helper()
	p := &writersProcess{command: exec.Command("/proc/self/exe")}
	p.command.Env = append(environment(), userTask+"=write to a bucket")
	p.command.Stdout, p.command.Stderr = &p.output, &p.trouble
	p.orders = must(p.command.StdinPipe())(t)
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	orders := writersOrders{Mine: post, First: uint64(post*writersOfMount + 1), Seed: h.seed}
	for _, other := range h.posts {
		orders.Points = append(orders.Points, other.point)
	}
	if err := json.NewEncoder(p.orders).Encode(orders); err != nil {
		t.Fatal(err)
	}
	return p
}

// end waits for the writers, to whom nothing is done any more, and takes what they tell.
func (p *writersProcess) end(t *testing.T, into *writersResult) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- p.command.Wait() }()
	select {
	case err := <-ended:
		var result writersResult
		if err == nil {
			err = json.Unmarshal(p.output.Bytes(), &result)
		}
		if err != nil {
			t.Fatalf("writers: %v\n%s", err, p.trouble.String())
		}
		into.Journals = append(into.Journals, result.Journals...)
		into.Failures = append(into.Failures, result.Failures...)
		if into.Tally == nil {
			into.Tally = map[string]int{}
		}
		for what, count := range result.Tally {
			into.Tally[what] += count
		}
	case <-time.After(patience):
		_ = p.command.Process.Kill()
		t.Fatal("writers wait, and nothing is done to their mounts")
	}
}

// wasDisturbed reports whether something was done to a post's mount in a span.
func (p *post) wasDisturbed(from, to time.Time) bool {
	return slices.ContainsFunc(p.disturbed, func(d [2]time.Time) bool { return d[0].Before(to) && from.Before(d[1]) })
}

// disturb does something to one mount after the other: it is killed, its connection to the
// kernel is broken off, it is unmounted, or its machine loses its network for a while, which no
// writer may notice.
func (h *history) disturb(until time.Time) {
	for {
		left := time.Until(until)
		time.Sleep(max(0, min(left, 300*time.Millisecond+time.Duration(h.source.Int64N(int64(1500*time.Millisecond))))))
		if time.Until(until) <= 0 || h.t.Failed() {
			return
		}
		p := h.posts[h.source.IntN(len(h.posts))]
		ways := []string{"a kill", "a kill", "an abort", "an unmount"}
		if p.machine != nil {
			ways = append(ways, "a cut", "a cut", "a cut")
		}
		way := ways[h.source.IntN(len(ways))]
		h.tally[way]++
		if way == "a cut" {
			h.cut(p)
			continue
		}
		from := time.Now()
		h.replace(p, way)
		p.disturbed = append(p.disturbed, [2]time.Time{from, time.Now()})
	}
}

// replace has another mount take the place of one.
func (h *history) replace(p *post, way string) {
	t := h.t
	t.Helper()
	switch way {
	case "a kill":
		if err := p.m.daemon.Process.Kill(); err != nil {
			t.Error(err)
		}
	case "an abort":
		var status unix.Stat_t
		if err := unix.Stat(p.point, &status); err != nil {
			t.Errorf("a mount that nothing was done to: %v", err)
		}
		if err := os.WriteFile(fmt.Sprintf("/sys/fs/fuse/connections/%d/abort", unix.Minor(status.Dev)), []byte("1"), 0); err != nil {
			_ = p.m.daemon.Process.Kill() // who is not root
		}
	}
	_ = unix.Unmount(p.point, unix.MNT_DETACH)
	select {
	case <-p.m.exited:
	case <-time.After(patience):
		t.Fatalf("after %s a mount does not end", way)
	}
	h.mount(p)
}

// cut takes a machine's network away for a while.
func (h *history) cut(p *post) {
	h.t.Helper()
	p.machine.plug(h.t, false)
	time.Sleep(time.Duration(h.source.Int64N(int64(2 * time.Second))))
	p.machine.plug(h.t, true)
}

// check compares what writers were told with what a later mount shows, with the file that it
// gives, with the objects in the bucket, and with what the reference runtime makes of them.
func (h *history) check(journals []*journal) {
	t := h.t
	t.Helper()
	later := serveBucket(t, h.server, h.server.Endpoints[1], "team", "--read-only")
	saved := filepath.Join(t.TempDir(), "saved.rvf")
	run(t, "cp", later.path("a.rvf/raw"), saved)
	file := must(rawfile.Read(saved))(t)
	found := model(file.Vectors())
	shown := vectorsShown(t, later.path("a.rvf/vectors"))
	if err := found.differs(shown); err != nil {
		t.Errorf("a mount shows other vectors than its file has: %v", err)
	}
	if err := journalsHold(journals, shown); err != nil {
		t.Error(err)
	}
	if got := assembled(t, h.server, "a.rvf"); !bytes.Equal(got, file.Bytes) {
		t.Errorf("put together by hand the file has %d bytes, and differs from the one of %d bytes that a mount gives", len(got), len(file.Bytes))
	}
	run(t, program, "verify", saved)
	run(t, program, "verify", "--endpoint", h.server.Endpoints[0], "s3://"+h.server.Bucket+"/team/a.rvf")
	if err := peerOpens(peer.Start(t), saved, found, h.source); err != nil {
		t.Errorf("reference runtime: %v", err)
	}
}

// vectorsShown are the vectors that a mount shows.
func vectorsShown(t *testing.T, views string) model {
	t.Helper()
	// An array of NumPy's has its header in front, whose length stands at its eighth byte.
	content := func(name string) []byte {
		array := readFile(t, filepath.Join(views, name))
		return array[10+int(binary.LittleEndian.Uint16(array[8:])):]
	}
	ids, rows := content("ids.npy"), content("vectors.npy")
	shown := model{}
	for at := 0; at < len(ids); at += 8 {
		vector := make([]float32, journalDimension)
		for i := range vector {
			vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(rows[(at/8*journalDimension+i)*4:]))
		}
		id := binary.LittleEndian.Uint64(ids[at:])
		if _, twice := shown[id]; twice {
			t.Errorf("%d is shown twice", id)
		}
		shown[id] = vector
	}
	return shown
}

// assembled is a store as people put it together of its objects, by the line in front.
func assembled(t *testing.T, server *objectstore.Server, key string) []byte {
	t.Helper()
	content := server.Object(t, objectstore.Prefix+key)
	text, extended := bytes.CutPrefix(content, []byte("#rvffs-extents 1 "))
	if !extended {
		return content
	}
	first, inline, _ := bytes.Cut(text, []byte("\n"))
	var line struct {
		Log     string  `json:"log"`
		Extents [][]any `json:"extents"`
	}
	if err := json.Unmarshal(first, &line); err != nil {
		t.Fatal(err)
	}
	var whole []byte
	for _, e := range line.Extents {
		extent := server.Object(t, line.Log+"/"+e[0].(string))
		whole = append(whole, extent[:int(e[1].(float64))]...)
	}
	return append(whole, inline...)
}
