package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"rvffs/test/objectstore"
)

// inBucket lets programs use a server's buckets as those of this test.
func inBucket(t *testing.T, server *objectstore.Server) {
	for _, setting := range server.Environment() {
		name, value, _ := strings.Cut(setting, "=")
		t.Setenv(name, value)
	}
}

// serveBucket mounts a place in the server's bucket by one of the ways to it.
func serveBucket(t testing.TB, server *objectstore.Server, endpoint, prefix string, flags ...string) *mount {
	t.Helper()
	return serve(t, "s3://"+server.Bucket+"/"+prefix, append([]string{"--endpoint", endpoint}, flags...)...)
}

// everyday is what people do to a store, as a script whose first argument is the mount. It
// prints what they see.
const everyday = `
	cd "$1"
	mkdir a.rvf
	printf '[1,2,3]\n{"id":7,"vector":[4,5,6]}\n' > a.rvf/vectors.append
	printf 'id,v0,v1,v2\n20,1,1,1\n21,2,2,2\n' > a.rvf/vectors.append
	/usr/bin/python3 -c 'import numpy; numpy.save("'"$2"'", numpy.arange(3000, dtype="<f4").reshape(-1, 3) / 7)'
	cp "$2" a.rvf/vectors.append
	jq -c '[.format, .accepted, .epoch]' a.rvf/append.log
	seq 30 60 > a.rvf/vectors.delete
	jq -c '[.live_vectors, .deleted_vectors, .epoch]' a.rvf/status.json
	sha256sum < a.rvf/vectors/vectors.csv
	sha256sum < a.rvf/vectors/vectors.npy
	head -n 4 a.rvf/neighbors/100.json
	cat a.rvf/vectors/by-id/7.json
	mkdir a.rvf/child.rvf && echo '[9,9,9]' > child.rvf/vectors.append
	jq -c '[.ancestors, .end, .weakest]' child.rvf/lineage/ancestry.json
	head -c 100000 /dev/zero | tr '\0' k > "$2.kernel"
	cp "$2.kernel" a.rvf/kernel/image && cmp a.rvf/kernel/image "$2.kernel"
	echo compact > a.rvf/ctl
	jq -c '[.ancestors, .end, .weakest]' child.rvf/lineage/ancestry.json
	jq -c '[.live_vectors, .deleted_vectors, .epoch]' a.rvf/status.json
	sha256sum < a.rvf/vectors/vectors.csv
	cp "$2" incoming/fresh.npy && jq -c .live_vectors fresh.rvf/status.json
	cp a.rvf/raw "$2.rvf" && cp "$2.rvf" back.rvf && jq -c .live_vectors back.rvf/status.json
	mkdir sub && mv fresh.rvf sub/moved.rvf && ls sub && jq -c .live_vectors sub/moved.rvf/status.json
	mv a.rvf/child.rvf a.rvf/kid.rvf && readlink -f kid.rvf/lineage/parent | sed "s:.*/::"
	rmdir a.rvf/kid.rvf 2>/dev/null || echo kept
	mkdir empty.rvf && rmdir empty.rvf && rmdir sub 2>/dev/null || echo kept
	ls
`

// TestBucketEveryday: what people do to stores comes to the same in a bucket and in a
// directory, and is there after another mount, and in the bucket's own objects.
func TestBucketEveryday(t *testing.T) {
	server := objectstore.Start(t, 1)
	inBucket(t, server)
	scratch := t.TempDir()
	local := serve(t, t.TempDir())
	want := shell(t, everyday, local.Point, filepath.Join(scratch, "local.npy"))
	m := serveBucket(t, server, server.Endpoints[0], "team")
	if got := shell(t, everyday, m.Point, filepath.Join(scratch, "bucket.npy")); got != want {
		t.Errorf("in a bucket:\n%s\nin a directory:\n%s", got, want)
	}
	shows := func(m *mount) string {
		return shell(t, `cd "$1"; ls; for s in *.rvf; do jq -c .live_vectors $s/status.json; sha256sum < $s/vectors/vectors.csv; done`, m.Point)
	}
	before := shows(m)
	m.stop()
	again := serveBucket(t, server, server.Endpoints[0], "team", "--read-only")
	if got := shows(again); got != before {
		t.Errorf("after another mount:\n%s\nbefore:\n%s", got, before)
	}
	// What has no extents is the plain file.
	saved := filepath.Join(scratch, "saved.rvf")
	writeFile(t, saved, readFile(t, again.path("a.rvf/raw")))
	run(t, program, "verify", saved)
	if plain := server.Object(t, "team/a.rvf"); !slices.Equal(plain, readFile(t, saved)) {
		t.Error("the object of a small store is another than its raw file")
	}
}

// TestBucketBetweenMounts: what one mount commits the others show.
func TestBucketBetweenMounts(t *testing.T) {
	server := objectstore.Start(t, 2)
	inBucket(t, server)
	one := serveBucket(t, server, server.Endpoints[0], "team")
	other := serveBucket(t, server, server.Endpoints[1], "team")
	shell(t, `mkdir "$1/a.rvf"; echo '[1,2,3]' > "$1/a.rvf/vectors.append"`, one.Point)
	live := func(m *mount, want int) {
		t.Helper()
		eventually(t, "the vectors are shown", func() error {
			status, err := decode[struct {
				Live int `json:"live_vectors"`
			}](m.path("a.rvf/status.json"))
			if err == nil && status.Live != want {
				err = fmt.Errorf("%d vectors, want %d", status.Live, want)
			}
			return err
		})
	}
	live(other, 1)
	shell(t, `echo '[4,5,6]' > "$1/a.rvf/vectors.append"`, other.Point)
	live(one, 2)
	shell(t, `echo 0 > "$1/a.rvf/vectors.delete"; echo compact > "$1/a.rvf/ctl"`, one.Point)
	live(other, 1)
	shell(t, `echo '[7,8,9]' > "$1/a.rvf/vectors.append"; mv "$1/a.rvf" "$1/b.rvf"`, other.Point)
	eventually(t, "the new name is shown", func() error { _, err := os.Stat(one.path("b.rvf/status.json")); return err })
	if _, err := os.Stat(one.path("a.rvf")); !errors.Is(err, fs.ErrNotExist) {
		eventually(t, "the former name is gone", func() error {
			if _, err := os.Stat(one.path("a.rvf")); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("a.rvf: %v", err)
			}
			return nil
		})
	}
}

// commands is what the command line does to stores, as a script: $1 is the program, $2 the
// folder of the stores, $3 a folder for other files.
const commands = `
	rvffs=$1 s=$2; cd "$3"
	"$rvffs" create "$s/a.rvf" --dimension 3 > made
	printf '[1,2,3]\n[4,5,6]\n[7,8,9]\n' > in.jsonl
	"$rvffs" import "$s/a.rvf" in.jsonl --json | jq -c '[.[] | .accepted, .epoch]'
	"$rvffs" delete "$s/a.rvf" 1 --json | jq -c .epoch
	"$rvffs" export "$s/a.rvf" -f csv
	"$rvffs" query "$s/a.rvf" --vector '[1,2,3]'
	"$rvffs" derive "$s/a.rvf" "$s/child.rvf" > made
	"$rvffs" branch "$s/a.rvf" "$s/branch.rvf" > made
	"$rvffs" export "$s/branch.rvf" -f jsonl
	"$rvffs" verify --json "$s/a.rvf" "$s/child.rvf" "$s/branch.rvf" | jq -c '.[] | [.status, .lineage, .live]'
	"$rvffs" lineage --json "$s" | jq -c '.stores[] | [(.file | sub(".*/"; "")), .level, .verification.status]'
	"$rvffs" lineage --json "$s/child.rvf" | jq -c '[.stores[] | .file | sub(".*/"; "")]'
	seq 1000 > image; "$rvffs" embed-kernel "$s/a.rvf" image > made; "$rvffs" extract-kernel "$s/a.rvf" back > made; cmp image back
	"$rvffs" compact --json "$s/a.rvf" | jq -c .epoch
	"$rvffs" export "$s/branch.rvf" -f csv
	"$rvffs" status --json "$s/a.rvf" | jq -c '[.live_vectors, .epoch]'
	case $s in s3:*) ;; *) mkdir "$s/o" ;; esac
	"$rvffs" branch "$s/a.rvf" "$s/o/far.rvf" > made
	"$rvffs" status --json "$s/a.rvf" | jq -c '[.branches[].file] | sort'
	"$rvffs" export "$s/o/far.rvf" -f csv
	"$rvffs" rm "$s/o/far.rvf" > made
	"$rvffs" status --json "$s/a.rvf" | jq -c '[.branches[].file] | sort'
	"$rvffs" rm "$s/a.rvf" 2> refused && exit 1
	"$rvffs" rm "$s/branch.rvf" > made; "$rvffs" rm "$s/child.rvf" > made; "$rvffs" rm "$s/a.rvf" > made
	"$rvffs" verify "$s/a.rvf" > made 2> refused && exit 1
	"$rvffs" lineage --json "$s" | jq -c '.stores | length'
`

// TestBucketCommands: the commands say of stores in a bucket what they say of files.
func TestBucketCommands(t *testing.T) {
	server := objectstore.Start(t, 1)
	inBucket(t, server)
	want := shell(t, commands, program, t.TempDir(), t.TempDir())
	if got := shell(t, commands, program, "s3://"+server.Bucket+"/team", t.TempDir()); got != want {
		t.Errorf("in a bucket:\n%s\nin a directory:\n%s", got, want)
	}
	for _, secret := range []string{"http://who:password@127.0.0.1:1", "ftp://127.0.0.1"} {
		got := try(t, program, "--endpoint", secret, "status", "s3://vectors/a.rvf")
		if got.code != 2 || strings.Contains(got.stderr, "password@") {
			t.Errorf("exit status %d, %s", got.code, got.stderr)
		}
	}
}

// TestBucketInFolders: a mount and a command that is given a store in a folder below it read and
// write the same store, whoever begins its extents.
func TestBucketInFolders(t *testing.T) {
	server := objectstore.Start(t, 2)
	inBucket(t, server)
	m, inner := serveBucket(t, server, server.Endpoints[0], "team"), serveBucket(t, server, server.Endpoints[1], "team/sub")
	shell(t, `
		rvffs=$1 mnt=$2 inner=$3 s=s3://vectors/team/sub; cd "$4"
		mkdir -p "$mnt/sub"; head -c 12000000 /dev/zero > rows.f32
		counts() {
			for try in $(seq 100); do
				[ "$("$rvffs" export "$s/$1" -f f32 | wc -c)" = $(($2 * 400)) ] && [ "$(cat "$mnt/sub/$1/vectors/vectors.f32" | wc -c)" = $(($2 * 400)) ] &&
					[ "$(cat "$inner/$1/vectors/vectors.f32" | wc -c)" = $(($2 * 400)) ] && return 0
				sleep 0.1
			done
			echo "$1 does not show $2 vectors to all"; exit 1
		}
		for name in a.rvf b.rvf c.rvf; do "$rvffs" create "$s/$name" --dimension 100 > made; done
		until [ -d "$mnt/sub/a.rvf" ] && [ -d "$inner/c.rvf" ]; do sleep 0.1; done
		cp rows.f32 "$mnt/sub/a.rvf/vectors.append"; "$rvffs" import "$s/b.rvf" rows.f32 > made; cp rows.f32 "$inner/c.rvf/vectors.append"
		for name in a.rvf b.rvf c.rvf; do
			counts $name 30000
			cp rows.f32 "$mnt/sub/$name/vectors.append"; "$rvffs" import "$s/$name" rows.f32 > made; cp rows.f32 "$inner/$name/vectors.append"
			counts $name 120000
			echo compact > "$mnt/sub/$name/ctl"
			counts $name 120000
		done
		mv "$mnt/sub/a.rvf" "$mnt/moved.rvf"
		[ "$("$rvffs" export s3://vectors/team/moved.rvf -f f32 | wc -c)" = 48000000 ]
	`, program, m.Point, inner.Point, t.TempDir())
}

// TestBucketTakesWholeStores: a store goes into a bucket, to another name there, and out again as
// it is, a short one and one of parts; none takes the place of another.
func TestBucketTakesWholeStores(t *testing.T) {
	server := objectstore.Start(t, 1)
	inBucket(t, server)
	place := "s3://" + server.Bucket + "/team/whole"
	shell(t, `
		rvffs=$1 s=$2; cd "$3"
		head -c 24000000 /dev/urandom | tr '\177\377' '\1\2' > rows.f32
		for size in 3000 24000000; do
			"$rvffs" create "$size.rvf" --dimension 100 > made
			head -c $((size / 400 * 400)) rows.f32 > some.f32
			"$rvffs" import "$size.rvf" some.f32 > made
			"$rvffs" export "$size.rvf" -f rvf -o "$s/$size.rvf"
			"$rvffs" export "$s/$size.rvf" -f rvf -o "$s/again-$size.rvf"
			"$rvffs" export "$s/again-$size.rvf" -f rvf -o back.rvf --json | jq -e ".vectors == $((size / 400))" > made
			cmp "$size.rvf" back.rvf && rm back.rvf
			"$rvffs" verify "$s/$size.rvf" > made
			echo '[1,2,3]' | "$rvffs" import "$s/again-$size.rvf" - 2> refused && exit 1
			head -c 400 rows.f32 > one.f32; "$rvffs" import "$s/again-$size.rvf" one.f32 > made
		done
		refuse() { if "$rvffs" export "$@" 2> refused; then echo "export $* is not refused"; exit 1; fi; }
		refuse 3000.rvf -f rvf -o "$s/24000000.rvf"; grep -q "already" refused
		refuse 3000.rvf -f rvf -o 24000000.rvf; grep -q "another store" refused
		refuse 3000.rvf -f npy -o "$s/new.rvf"; grep -q "only whole stores" refused
		printf x | dd of=3000.rvf bs=1 seek=300 conv=notrunc status=none
		refuse 3000.rvf -f rvf -o "$s/damaged.rvf"
		"$rvffs" status "$s/damaged.rvf" 2> refused && exit 1
		cmp <("$rvffs" export "$s/24000000.rvf" -f rvf) 24000000.rvf
		"$rvffs" rm "$s/again-24000000.rvf" > made
		"$rvffs" s3 sweep --list --json "$4" | jq -e '[.[] | select(.bytes > 24000000 and (.stays | contains("less than a day")))] | length == 1' > made
		"$rvffs" s3 sweep "$4" | grep -q "it stays: it was removed less than a day ago"
		cmp <("$rvffs" export "$s/24000000.rvf" -f rvf) 24000000.rvf
	`, program, place, t.TempDir(), "s3://"+server.Bucket+"/team")
}

// TestBucketSettles: a store of several objects becomes the file that it is, while two mounts show it,
// and goes on.
func TestBucketSettles(t *testing.T) {
	server := objectstore.Start(t, 2)
	inBucket(t, server)
	one := serveBucket(t, server, server.Endpoints[0], "team/settled")
	other := serveBucket(t, server, server.Endpoints[1], "team/settled")
	scratch := t.TempDir()
	shell(t, `
		rvffs=$1 one=$2 other=$3 s=$5; cd "$4"
		head -c 24000000 /dev/urandom | tr '\177\377' '\1\2' > rows.f32
		"$rvffs" create "$s/a.rvf" --dimension 100 > made
		cp rows.f32 "$one/a.rvf/vectors.append.f32"
		for i in 1 2 3; do head -c 400 rows.f32 > "$one/a.rvf/vectors.append.f32"; done
		"$rvffs" export "$s/a.rvf" -f f32 > before.f32
		inode=$(stat -c %i "$other/a.rvf")
		exec 3< "$other/a.rvf/vectors/vectors.f32"; head -c 1000000 <&3 > part
		"$rvffs" settle "$s/a.rvf" --json | jq -e '.changed and .extents > 0 and .bytes > 24000000' > made
		"$rvffs" settle "$s/a.rvf" | grep -q 'already'
		cat <&3 >> part; cmp part before.f32
		[ "$(stat -c %i "$other/a.rvf")" = "$inode" ]
		cmp "$other/a.rvf/vectors/vectors.f32" before.f32
		"$rvffs" export "$s/a.rvf" -f rvf -o raw.rvf > made; "$rvffs" verify raw.rvf > made
	`, program, one.Point, other.Point, scratch, "s3://"+server.Bucket+"/team/settled")
	plain := server.Object(t, "team/settled/a.rvf")
	if !bytes.Equal(plain, readFile(t, filepath.Join(scratch, "raw.rvf"))) {
		t.Errorf("the object is another than the store's file")
	}
	shell(t, `
		rvffs=$1 one=$2 other=$3 s=$5; cd "$4"
		head -c 400 rows.f32 > "$other/a.rvf/vectors.append.f32"
		exec 4> "$one/a.rvf/vectors.append.f32"; head -c 12000000 rows.f32 >&4
		"$rvffs" settle "$s/a.rvf" --json | jq -e '.changed' > made
		exec 4>&-
		[ "$("$rvffs" export "$s/a.rvf" -f f32 | wc -c)" = $((24000000 + 4 * 400 + 12000000)) ]
		"$rvffs" verify "$s/a.rvf" > made
		head -c 400 rows.f32 > "$other/a.rvf/vectors.append.f32"
		"$rvffs" s3 sweep "$s" | grep -q 'it stays: a.rvf was settled, has extents again'
		"$rvffs" s3 sweep "$s" | grep -q 'nothing is left of removed or settled stores'
		if "$rvffs" settle raw.rvf 2> refused; then exit 1; fi; grep -q 'one file already' refused
		if "$rvffs" settle "$s/none.rvf" 2> refused; then exit 1; fi; grep -q 'none.rvf' refused
	`, program, one.Point, other.Point, scratch, "s3://"+server.Bucket+"/team/settled")
}

// TestBucketWithoutConditions: where a trial has found that the server drops conditions,
// nothing is written, by a mount or by a command; what is there can be read.
func TestBucketWithoutConditions(t *testing.T) {
	server := objectstore.Start(t, 1)
	inBucket(t, server)
	place := "s3://" + server.Bucket + "/team"
	run(t, program, "create", place+"/a.rvf", "--dimension", "3")
	const report = "team/.rvffs/server"
	found := string(server.Object(t, report))
	spoiled := strings.Replace(found, "\"for\": \"commits\",\n      \"kept\": true", "\"for\": \"commits\",\n      \"kept\": false", 1)
	if spoiled == found {
		t.Fatalf("the report is %s", found)
	}
	server.Put(t, report, spoiled)
	input := filepath.Join(t.TempDir(), "input.jsonl")
	writeFile(t, input, []byte("[1,2,3]\n"))
	for _, changes := range [][]string{{"import", place + "/a.rvf", input}, {"create", place + "/b.rvf"}, {"derive", place + "/a.rvf", place + "/c.rvf"}} {
		if got := try(t, program, changes...); got.code != 1 || !strings.Contains(got.stderr, "does not keep the conditions") {
			t.Errorf("%s: %+v", changes[0], got)
		}
	}
	run(t, program, "status", place+"/a.rvf")
	m := serveBucket(t, server, server.Endpoints[0], "team")
	wantErrno(t, "a write to a mount", os.WriteFile(m.path("a.rvf/vectors.append"), []byte("[1,2,3]\n"), 0), syscall.EROFS)
	if got := names(t, m.path(".")); !slices.Contains(got, "a.rvf") || slices.Contains(got, "b.rvf") {
		t.Errorf("the mount lists %v", got)
	}
}

// TestBucketMetrics: what a mount has asked of its bucket can be seen, and a commit to a store
// that nobody else writes to is one request, with all that a shell does for it.
func TestBucketMetrics(t *testing.T) {
	server := objectstore.Start(t, 1)
	inBucket(t, server)
	m := serveBucket(t, server, server.Endpoints[0], "team", "--freshness", "10m")
	count := func(metric string) int {
		t.Helper()
		for line := range strings.Lines(string(readFile(t, m.path(".rvffs/metrics")))) {
			if value, found := strings.CutPrefix(line, metric+" "); found {
				count, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
				demand(t, "read "+line, err)
				return int(count)
			}
		}
		return 0
	}
	requests := func() (puts, all int) {
		puts = count(`rvffs_bucket_requests_total{operation="put",result="ok"}`)
		for _, operation := range []string{"get", "put", "delete", "list", "copy"} {
			all += count(`rvffs_bucket_request_seconds_count{operation="` + operation + `"}`)
		}
		return puts, all
	}
	shell(t, `mkdir "$1/a.rvf"; echo '[1,2,3]' > "$1/a.rvf/vectors.append"`, m.Point)
	puts, all := requests()
	made, sent := count(`rvffs_bucket_swaps_total{result="made"}`), count("rvffs_bucket_sent_bytes_total")
	const commits = 20
	shell(t, `for i in $(seq `+strconv.Itoa(commits)+`); do echo '[1,2,3]' > "$1/a.rvf/vectors.append"; done`, m.Point)
	putsNow, allNow := requests()
	if putsNow-puts != commits || allNow-all != commits {
		t.Errorf("%d commits took %d requests, %d of them PUT", commits, allNow-all, putsNow-puts)
	}
	if got := count(`rvffs_bucket_swaps_total{result="made"}`) - made; got != commits {
		t.Errorf("%d commits are counted of %d", got, commits)
	}
	if got := count("rvffs_bucket_sent_bytes_total") - sent; got < len(server.Object(t, "team/a.rvf")) {
		t.Errorf("%d bytes were sent for %d commits", got, commits)
	}
	other := serve(t, t.TempDir())
	if text := string(readFile(t, other.path(".rvffs/metrics"))); strings.Contains(text, "rvffs_bucket") || !strings.Contains(text, "rvffs_memory_used_bytes") {
		t.Errorf("a mount of a directory counts %s", text)
	}
}
