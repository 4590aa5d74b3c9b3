package integration

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// use is one thing that people do with a program on a mount.
type use struct {
	program string
	from    string // its Debian package, or "npm" and its module
	does    string // for those who read docs/programs.md
	// script does it in bash, with the folder of a store with 1000 vectors of 4
	// components in $STORE, files with 50 more, in several formats, in $FILES, an
	// empty folder in $WORK, and useShell's functions. The last line that it prints is
	// the result.
	script string
	// large are programs that are too large for every run of the tests: make programs
	// alone installs them.
	large bool
	// root tells that only root can do it.
	root bool
	// inGo takes the place of the script.
	inGo func(t *testing.T, m *mount) string
}

// useShell are functions for the scripts.
const useShell = `
trap 'echo "line $LINENO failed: $BASH_COMMAND" >&2' ERR
holds() { # so many vectors are in the store, and the words say so
	local live
	live=$(sed -n 's/.*"live_vectors": \([0-9]*\).*/\1/p' "$STORE/status.json")
	test "$live" = "$1" || { echo "the store has $live vectors, not $1" >&2; return 1; }
	echo "$(($1 - 1000)) vectors more"
}
soon() { # the command succeeds within some seconds
	local i
	for i in {1..300}; do "$@" && return; sleep 0.1; done
	echo "it never came true: $*" >&2; return 1
}
whole() { cmp "$1/vectors/vectors.f32" "$FILES/rows.f32"; cmp "$1/raw" "$STORE/raw"; } # a copy of the store's folder
`

// uses are all of them.
var uses = []use{
	// Copying in and out.
	{program: "cp", from: "coreutils", does: "copies the whole folder with -a, and vectors into the store", script: `cp -a "$STORE" "$WORK/copy"; whole "$WORK/copy"; cp "$FILES/more.npy" "$STORE/vectors.append"; holds 1050`},
	{program: "cp", from: "coreutils", does: "copies files into `incoming/`, twice with -u", script: `cp -up "$FILES"/more.* "$STORE/incoming/"; cp -up "$FILES"/more.* "$STORE/incoming/"; holds 1200`},
	{program: "cp", from: "coreutils", does: "restores a backup", script: `cp "$STORE/raw" "$WORK/b.rvf"; cp "$WORK/b.rvf" "$MNT/"; cmp "$MNT/b.rvf/raw" "$STORE/raw"; echo "the same store"`},
	{program: "mv", from: "coreutils", does: "moves files into `incoming/`", script: `mv "$FILES"/more.* "$STORE/incoming/"; test ! -e "$FILES/more.csv"; holds 1200`},
	{program: "install", from: "coreutils", does: "installs files in `incoming/`", script: `install -m 600 "$FILES"/more.* "$STORE/incoming/"; holds 1200`},
	{program: "dd", from: "coreutils", does: "writes raw floats, and reads row 7 alone", script: `dd if="$FILES/more.f32" of="$STORE/vectors.append" bs=100 conv=fsync status=none; dd if="$STORE/vectors/vectors.f32" bs=16 skip=7 count=1 status=none | cmp - <(tail -c +113 "$FILES/rows.f32" | head -c 16); holds 1050`},
	{program: "tee, cat", from: "coreutils", does: "write a stream in a pipe", script: `cat "$FILES/more.csv" | tee "$STORE/vectors.append" | cmp - "$FILES/more.csv"; cat "$FILES/more.jsonl" >> "$STORE/vectors.append"; holds 1100`},
	{program: "split", from: "coreutils", does: "cuts `vectors.f32` at rows, and each piece goes into a new store", script: `split -b 4000 "$STORE/vectors/vectors.f32" "$WORK/piece."; cat "$WORK"/piece.* | cmp - "$FILES/rows.f32"; "$RVFFS" create "$DIR/new.rvf" --dimension 4; soon test -e "$MNT/new.rvf/ctl"; for p in "$WORK"/piece.*; do cp "$p" "$MNT/new.rvf/vectors.append"; done; cmp "$MNT/new.rvf/vectors/vectors.f32" "$FILES/rows.f32"; echo "4 pieces, the same vectors"`},
	{program: "split", from: "coreutils", does: "writes its pieces into `incoming/`", script: `split -l 10 --additional-suffix=.jsonl "$FILES/more.jsonl" "$STORE/incoming/piece."; holds 1050`},
	{program: "head, tail, wc, sort", from: "coreutils", does: "read the table", script: `head -n 1 "$STORE/vectors/vectors.csv" | grep -qx id,v0,v1,v2,v3; tail -n 1 "$STORE/vectors/vectors.csv" | grep -q ^999,; test "$(wc -l < "$STORE/vectors/vectors.csv")" = 1001; tail -n +2 "$STORE/vectors/vectors.csv" | sort -t, -k3g | sed -n 1p | cut -d, -f1 | sed 's/$/ has the least v1/'`},
	{program: "tail -f, -F", from: "coreutils", does: "follow append.log", script: `
tail -n 0 -f "$STORE/append.log" > "$WORK/f" & f=$!
tail -n 0 -F "$STORE/append.log" > "$WORK/F" & F=$!
trap 'kill $f $F' EXIT
more() { cp "$FILES/more.npy" "$STORE/vectors.append"; sleep 0.2; grep -q accepted "$WORK/f" && grep -q accepted "$WORK/F"; }
soon more; echo "new lines came"`},
	{program: "ls, du, stat", from: "coreutils", does: "show sizes", script: `ls -lR "$MNT" > "$WORK/ls"; grep -q ' vectors.npy$' "$WORK/ls"; test "$(stat -c %s "$STORE/vectors/vectors.f32")" = 16000; test "$(du -B1 --apparent-size "$STORE/vectors/vectors.f32" | cut -f1)" = 16000; test "$(stat -c %b "$STORE/vectors/vectors.f32")" = 32; echo "16000 bytes in 32 blocks"`},
	{program: "md5sum, sha256sum, od", from: "coreutils", does: "read the bytes", script: `test "$(md5sum < "$STORE/vectors/vectors.f32")" = "$(md5sum < "$FILES/rows.f32")"; (cd "$STORE" && sha256sum raw vectors/*.*) > "$WORK/sums"; (cd "$STORE" && sha256sum --quiet -c "$WORK/sums"); od -A n -t f4 -j 16 -N 8 "$STORE/vectors/vectors.f32" | tr -s ' ' | sed 's/^ //'`},
	{program: "cmp, diff", from: "diffutils", does: "compare the folder with a copy", script: `cp -r "$STORE/vectors" "$STORE/segments" "$WORK"; diff -r "$STORE/vectors" "$WORK/vectors"; diff -r "$STORE/segments" "$WORK/segments"; cmp "$STORE/vectors/vectors.npy" "$WORK/vectors/vectors.npy"; echo "no difference"`},
	{program: "find", from: "findutils", does: "finds files by name and size, and reads each", script: `find "$MNT" -type f -size -1000k -exec cat {} + > /dev/null; find "$STORE/vectors" -name '*.npy' -printf '%f %s\n' | sort | tr '\n' ' '`},
	{program: "grep -r", from: "grep", does: "searches the whole mount", script: `grep -rlZ live_vectors "$MNT" | tr '\0' '\n' | grep -q /status.json; echo "found in status.json"`},
	{program: "tar c -S", from: "tar", does: "archives the mount, holes left out, and unpacks that elsewhere", script: `tar -cSf "$WORK/a.tar" -C "$MNT" store.rvf; mkdir "$WORK/x"; tar -xf "$WORK/a.tar" -C "$WORK/x"; whole "$WORK/x/store.rvf"; echo "the same bytes"`},
	{program: "tar x", from: "tar", does: "unpacks files into `incoming/`, twice", script: `tar c -C "$FILES" more.csv more.npy > "$WORK/a.tar"; tar x -C "$STORE/incoming" < "$WORK/a.tar"; tar x -C "$STORE/incoming" < "$WORK/a.tar"; holds 1100`},
	{program: "cpio", from: "cpio", does: "archives the folder and unpacks it elsewhere", large: true, script: `(cd "$STORE" && find raw vectors -type f | cpio -o --quiet) > "$WORK/a.cpio"; mkdir "$WORK/x"; (cd "$WORK/x" && cpio -id --quiet < "$WORK/a.cpio"); whole "$WORK/x"; echo "the same bytes"`},
	{program: "gzip", from: "gzip", does: "packs and unpacks vectors", script: `gzip -c "$STORE/vectors/vectors.f32" | gzip -d | cmp - "$FILES/rows.f32"; gzip -k "$FILES/more.csv"; gzip -dc "$FILES/more.csv.gz" > "$STORE/vectors.append"; holds 1050`},
	{program: "rsync -a", from: "rsync", does: "copies the mount, and files into `incoming/`, twice each", script: `for i in 1 2; do rsync -a "$MNT/" "$WORK/copy"; done; whole "$WORK/copy/store.rvf"; for i in 1 2; do rsync -a "$FILES"/more.* "$STORE/incoming/"; done; holds 1200`},
	{program: "rclone copy", from: "rclone", does: "copies the folder, and files into `incoming/`, twice each", script: `export RCLONE_CONFIG=/dev/null; for i in 1 2; do rclone -q copy "$STORE/vectors" "$WORK/vectors"; done; for i in 1 2; do rclone -q copy --include 'more.*' "$FILES" "$STORE/incoming"; done; cmp "$WORK/vectors/vectors.f32" "$FILES/rows.f32"; holds 1200`},
	{program: "scp", from: "openssh-client", does: "copies through an SFTP server, out and into `incoming/`", script: `s=$(PATH=$PATH:/usr/lib/openssh command -v sftp-server); scp -q -D "$s" "x:$STORE/raw" "$WORK/raw"; cmp "$WORK/raw" "$STORE/raw"; scp -q -D "$s" "$FILES/more.csv" "$FILES/more.npy" "x:$STORE/incoming/"; holds 1100`},
	{program: "sftp", from: "openssh-client", does: "puts with another name first, then renames", script: `s=$(PATH=$PATH:/usr/lib/openssh command -v sftp-server); printf 'put %s %s\nrename %s %s\n' "$FILES/more.csv" "$STORE/incoming/.more" "$STORE/incoming/.more" "$STORE/incoming/more.csv" | sftp -q -b - -D "$s" > /dev/null; holds 1050`},
	{program: "curl", from: "curl", does: "fetches file:// URLs, and saves into `incoming/`", script: `curl -fsS "file://$STORE/vectors/vectors.f32" | cmp - "$FILES/rows.f32"; curl -fsS "file://$FILES/more.npy" -o "$STORE/incoming/more.npy"; holds 1050`, large: true},
	{program: "pv", from: "pv", does: "writes a stream slowly", script: `pv -q -L 20k "$FILES/more.jsonl" > "$STORE/vectors.append"; holds 1050`},
	{program: "gio copy", from: "libglib2.0-bin", does: "copies as file managers do, and moves into `incoming/`", script: `gio copy "$STORE/vectors/vectors.f32" "$WORK/"; cmp "$WORK/vectors.f32" "$FILES/rows.f32"; gio copy "$FILES/more.csv" "$STORE/incoming/"; gio move "$FILES/more.npy" "$STORE/incoming/"; holds 1100`},
	{program: "busybox", from: "busybox", does: "its cp and dd copy into `incoming/` and into the store", large: true, script: `busybox cp "$FILES/more.csv" "$STORE/incoming/"; busybox cp "$STORE/raw" "$WORK/raw"; busybox cmp "$WORK/raw" "$STORE/raw"; busybox dd if="$FILES/more.f32" of="$STORE/vectors.append" bs=64 2>/dev/null; holds 1100`},
	// Backups.
	{program: "borg", from: "borgbackup", does: "backs the mount up twice and extracts it", script: `export BORG_BASE_DIR="$WORK" BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes; borg init -e none "$WORK/repo"; borg create "$WORK/repo::a" "$MNT"; borg create "$WORK/repo::b" "$MNT"; mkdir "$WORK/x"; cd "$WORK/x"; borg extract "$WORK/repo::b"; whole "$WORK/x$STORE"; echo "the same bytes"`},
	{program: "restic", from: "restic", does: "backs the mount up twice, checks and restores it", large: true, script: `export RESTIC_PASSWORD=x RESTIC_REPOSITORY="$WORK/repo" RESTIC_CACHE_DIR="$WORK/cache"; restic -q init; restic -q backup "$MNT"; restic -q backup "$MNT"; restic -q check; restic -q restore latest --target "$WORK/x"; whole "$WORK/x$STORE"; echo "the same bytes"`},
	{program: "rdiff-backup", from: "rdiff-backup", does: "backs the folder up, before and after a commit", large: true, script: `rdiff-backup --current-time 1700000000 "$STORE/vectors" "$WORK/b"; cmp "$WORK/b/vectors.f32" "$FILES/rows.f32"; cp "$FILES/more.npy" "$STORE/vectors.append"; rdiff-backup --current-time 1700000100 "$STORE/vectors" "$WORK/b"; cmp "$WORK/b/vectors.f32" "$STORE/vectors/vectors.f32"; holds 1050`},
	// Text.
	{program: "jq", from: "jq", does: "reads views, and writes vectors", script: `test "$(jq .live_vectors "$STORE/status.json")" = 1000; jq -c '{id: (.id + 5000), vector}' "$STORE/vectors/vectors.jsonl" > "$STORE/vectors.append"; test "$(jq -s 'map(.vector[0]) | add' "$STORE/vectors/vectors.jsonl")" = 999000; holds 2000`},
	{program: "awk", from: "mawk", does: "sums columns of the table, and writes vectors", script: `awk -F, 'NR > 1 {a += $2; b += $3; c += $4} END {printf "v0 %d, v1 %d, v2 %.3f\n", a, b, c}' "$STORE/vectors/vectors.csv" > "$WORK/sums"; awk 'BEGIN {for (i = 0; i < 50; i++) print i / 7, i, -i, 1}' > "$STORE/vectors.append"; holds 1050 > /dev/null; cat "$WORK/sums"`},
	{program: "gawk", from: "gawk", does: "sums columns of the table", large: true, script: `gawk -F, 'NR > 1 {a += $2; b += $3; c += $4} END {printf "v0 %d, v1 %d, v2 %.3f\n", a, b, c}' "$STORE/vectors/vectors.csv"`},
	{program: "sed, cut, paste", from: "sed", does: "make a table of another one", script: `head -n 51 "$STORE/vectors/vectors.csv" | sed 1d | cut -d, -f2- | paste -s -d '\n' > "$STORE/vectors.append"; holds 1050`},
	{program: "perl", from: "perl-base", does: "unpacks floats", script: `perl -e 'local $/; open F, "<:raw", shift; @v = unpack "f<*", <F>; $a += $v[4 * $_] for 0 .. 999; print scalar(@v) / 4, " rows, v0 $a\n"' "$STORE/vectors/vectors.f32"`},
	{program: "xxd", from: "xxd", does: "dumps bytes and writes them back", large: true, script: `xxd -p "$STORE/vectors/vectors.f32" | xxd -r -p | cmp - "$FILES/rows.f32"; xxd -p "$FILES/more.f32" | xxd -r -p > "$STORE/vectors.append"; holds 1050`},
	{program: "sqlite3 .import", from: "sqlite3", does: "imports the table as numbers", script: `sqlite3 :memory: 'create table v(id integer primary key, v0 real, v1 real, v2 real, v3 real)' ".import --csv --skip 1 $STORE/vectors/vectors.csv v" "select printf('v0 %d, v1 %d, v2 %.3f', sum(v0), sum(v1), sum(v2)) from v where typeof(v0) = 'real'"`},
	{program: "sqlite3", from: "sqlite3", does: "writes a table of vectors", script: `sqlite3 -csv -header :memory: "with recursive n(i) as (select 2000 union all select i + 1 from n where i < 2049) select i as id, i * 0.5 as v0, 1.0 as v1, 2.0 as v2, 3.0 as v3 from n" > "$STORE/vectors.append"; holds 1050`},
	{program: "Miller", from: "miller", does: "infers numbers, and writes a table", script: `mlr --icsv --ocsv head -n 50 then put '$id += 7000' "$STORE/vectors/vectors.csv" > "$STORE/vectors.append"; holds 1050 > /dev/null; mlr --icsv --onidx stats1 -a sum,count -f v0,v1,v2 then put -q 'print "v0 ".fmtnum($v0_sum, "%d").", v1 ".fmtnum($v1_sum, "%d")." of ".$v0_count' "$STORE/vectors/vectors.csv"`},
	{program: "csvkit", from: "csvkit", does: "csvstat and csvjson read the table", large: true, script: `csvstat --sum -c v0 "$STORE/vectors/vectors.csv" > "$WORK/s"; csvjson -I "$STORE/vectors/vectors.csv" > "$WORK/j"; head -c 20 "$WORK/j" | grep -q '"id"'; csvcut -c v0,v1,v2,v3 "$STORE/vectors/vectors.csv" > "$STORE/vectors.append"; holds 2000`},
	{program: "datamash", from: "datamash", does: "sums columns of the table", large: true, script: `datamash -t, --header-in sum v0 sum v1 count id < "$STORE/vectors/vectors.csv"`},
	// Languages.
	{program: "NumPy", from: "python3-numpy", does: "maps vectors.npy and ids.npy, saves into the store and into `incoming/`", script: `/usr/bin/python3 - <<'P'
import numpy as np, os
s = os.environ["STORE"]
a = np.load(s + "/vectors/vectors.npy", mmap_mode="r"); ids = np.load(s + "/vectors/ids.npy")
assert a.shape == (1000, 4) and (a[:, 0] == ids).all(), a[:5]
np.save(s + "/incoming/more.npy", np.ones((20, 4)))
with open(s + "/vectors.append", "wb") as f: np.save(f, np.ones((20, 4), "f4"))
np.ones((10, 4), "f4").tofile(s + "/vectors.append")
P
holds 1050`},
	{program: "pandas", from: "python3-pandas", does: "reads the table and the JSON lines, writes to_csv with and without index", large: true, script: `/usr/bin/python3 - <<'P'
import numpy as np, os, pandas as pd
s = os.environ["STORE"]
t = pd.read_csv(s + "/vectors/vectors.csv")
assert list(t.dtypes.astype(str)) == ["int64"] + ["float64"] * 4, t.dtypes
want = np.load(s + "/vectors/vectors.npy")
assert (t.iloc[:, 1:].to_numpy("f4") == want).all()
assert (np.array(pd.read_json(s + "/vectors/vectors.jsonl", lines=True)["vector"].tolist(), "f4") == want).all()
more = t.head(50).drop(columns="id")
more.to_csv(s + "/vectors.append", index=False)
more.set_axis(range(4), axis=1).to_csv(s + "/incoming/numbered.csv", index=False)
t.head(50).assign(id=range(5000, 5050)).to_json(os.environ["WORK"] + "/t.json", orient="records")
try: more.to_csv(s + "/incoming/indexed.csv")
except OSError as e: assert e.errno == 22, e
else: raise AssertionError("an index was taken for components")
assert "column 1 has no name" in open(s + "/incoming/indexed.csv.error").read()
P
holds 1100`},
	{program: "Python's shutil", from: "python3-minimal", does: "copies a tree, and copies and moves into `incoming/`", script: `/usr/bin/python3 - <<'P'
import os, shutil
s, f, w = (os.environ[n] for n in ("STORE", "FILES", "WORK"))
shutil.copytree(s + "/vectors", w + "/vectors"); shutil.copy2(s + "/raw", w)
shutil.copy2(f + "/more.csv", s + "/incoming"); shutil.copyfile(f + "/more.npy", s + "/incoming/b.npy"); shutil.move(f + "/more.jsonl", s + "/incoming")
assert not os.path.exists(f + "/more.jsonl")
P
cmp "$WORK/vectors/vectors.f32" "$FILES/rows.f32"; holds 1150`},
	{program: "Node's fs", from: "nodejs", does: "reads into a Float32Array, copies, writes and appends", script: `node - <<'J'
const fs = require('fs'), s = process.env.STORE, f = process.env.FILES
const v = new Float32Array(fs.readFileSync(s + '/vectors/vectors.f32').buffer.slice(0))
if (fs.statSync(s + '/vectors/vectors.f32').size !== 16000) throw 'size'
fs.copyFileSync(f + '/more.csv', s + '/incoming/more.csv')
fs.writeFileSync(s + '/vectors.append', Buffer.from(new Float32Array(80).fill(0.5).buffer))
fs.appendFileSync(s + '/vectors.append', JSON.stringify([1, 2, 3, 4]) + '\n')
fs.createReadStream(f + '/more.npy').pipe(fs.createWriteStream(s + '/incoming/b.npy'))
J
holds 1121`},
	{program: "Go's strconv.ParseFloat", from: "golang", does: "reads each cell of the table", inGo: func(t *testing.T, m *mount) string {
		rows := must(csv.NewReader(bytes.NewReader(readFile(t, m.path("store.rvf", "vectors", "vectors.csv")))).ReadAll())(t)
		want := floats(readFile(t, m.path("store.rvf", "vectors", "vectors.f32")))
		for i, row := range rows[1:] {
			for j, cell := range row[1:] {
				if got, err := strconv.ParseFloat(cell, 32); err != nil || float32(got) != want[4*i+j] {
					t.Errorf("row %d, %q: %v, %v", i, cell, got, err)
				}
			}
		}
		return fmt.Sprint(len(rows)-1, " rows, the same float32")
	}},
	{program: "C++: ifstream, mmap", from: "g++", does: "read vectors.f32 in both ways", large: true, script: `cat > "$WORK/a.cc" <<'C'
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <sys/mman.h>
#include <vector>
int main(int, char **a) {
	std::ifstream in(a[1], std::ios::binary | std::ios::ate);
	std::vector<float> v((size_t)in.tellg() / 4);
	in.seekg(0); in.read((char *)v.data(), v.size() * 4);
	auto m = (const float *)mmap(0, v.size() * 4, PROT_READ, MAP_SHARED, open(a[1], O_RDONLY), 0);
	if (!in || m == MAP_FAILED) return 1;
	double sum = 0;
	for (size_t i = 0; i < v.size(); i++) { if (v[i] != m[i]) return 2; if (i % 4 == 0) sum += v[i]; }
	printf("%zu rows, v0 %g\n", v.size() / 4, sum);
}
C
g++ -O1 -o "$WORK/a" "$WORK/a.cc"; "$WORK/a" "$STORE/vectors/vectors.f32"`},
	{program: "R", from: "r-base-core", does: "read.csv and readBin; write.csv without row names", large: true, script: `Rscript - <<'R'
s <- Sys.getenv("STORE"); x <- read.csv(file.path(s, "vectors/vectors.csv"))
stopifnot(sapply(x, is.numeric), nrow(x) == 1000)
stopifnot(max(abs(t(matrix(readBin(file.path(s, "vectors/vectors.f32"), "numeric", 4000, 4), 4)) - as.matrix(x[-1]))) < 1e-4)
write.csv(head(x[-1], 50), file.path(Sys.getenv("WORK"), "t.csv"), row.names = FALSE)
R
cp "$WORK/t.csv" "$STORE/incoming/"; holds 1050`},
	{program: "polars", from: "npm nodejs-polars", does: "reads the table; writes a CSV into `incoming/`", large: true, script: `node - <<'J'
const pl = require('nodejs-polars'), fs = require('fs'), s = process.env.STORE
const t = pl.readCSV(s + '/vectors/vectors.csv')
if (t.height !== 1000 || t.dtypes.slice(1).some(d => !/Float64/.test(String(d)))) throw String(t.dtypes)
if (t.getColumn('v0').sum() !== 499500) throw t.getColumn('v0').sum()
t.drop('id').head(50).writeCSV(s + '/incoming/more.csv')
J
holds 1050`},
	{program: "DuckDB", from: "npm @duckdb/node-api", does: "reads the table; COPY into `incoming/`", script: `node - <<'J'
const {DuckDBInstance} = require('@duckdb/node-api'), s = process.env.STORE;
(async () => {
	const c = await (await DuckDBInstance.create(':memory:')).connect()
	const one = async q => String((await c.runAndReadAll(q)).getRows()[0])
	const types = await one("select string_agg(column_type) from (describe select * from '" + s + "/vectors/vectors.csv')")
	if (types !== 'BIGINT,DOUBLE,DOUBLE,DOUBLE,DOUBLE') throw types
	if (await one("select sum(v0) from '" + s + "/vectors/vectors.csv'") !== '499500') throw 'sum'
	await c.run("copy (select v0, v1, v2, v3 from '" + s + "/vectors/vectors.csv' limit 50) to '" + s + "/incoming/more.csv' (header)")
})().catch(e => { console.error(e); process.exit(1) })
J
holds 1050`},
	// Watching, and file systems above.
	{program: "inotifywait", from: "inotify-tools", does: "waits at the store's folder for a write to vectors.append", script: `inotifywait -q -e close_write "$STORE" > "$WORK/e" & w=$!
write() { cp "$FILES/more.npy" "$STORE/vectors.append"; sleep 0.2; ! kill -0 $w 2>/dev/null; }
soon write; grep -o CLOSE_WRITE "$WORK/e" | head -n 1`},
	{program: "overlayfs", from: "mount", does: "stands above the mount before and after a commit", root: true, script: `mkdir "$WORK/u" "$WORK/w" "$WORK/o"
same() { (cd "$WORK/o/store.rvf/vectors" && cmp vectors.f32 "$STORE/vectors/vectors.f32" && cmp ids.npy "$STORE/vectors/ids.npy"); }
mount -t overlay overlay -o "lowerdir=$MNT,upperdir=$WORK/u,workdir=$WORK/w" "$WORK/o"
same && cp "$FILES/more.npy" "$STORE/vectors.append" && same || { umount "$WORK/o"; exit 1; }
umount "$WORK/o"; holds 1050`},
}

// TestEveryProgram does what people do, with the programs that they have. The environment
// variable RVFFS_PROGRAMS=all asks for the large ones, too, and RVFFS_PROGRAMS_PAGE names the
// page whose table is written.
func TestEveryProgram(t *testing.T) {
	t.Parallel()
	all := os.Getenv("RVFFS_PROGRAMS") == "all"
	results := make([]string, len(uses))
	t.Run("uses", func(t *testing.T) {
		for i, u := range uses {
			t.Run(fmt.Sprint(u.program, " ", i), func(t *testing.T) {
				t.Parallel()
				switch {
				case u.large && !all:
					t.Skip("by make programs alone")
				case u.root && os.Getuid() != 0:
					t.Skip("for root alone")
				}
				results[i] = u.check(t)
			})
		}
	})
	page := os.Getenv("RVFFS_PROGRAMS_PAGE")
	if page == "" || t.Failed() {
		return
	}
	var table strings.Builder
	table.WriteString("| program | package | version | what was done | result |\n|---|---|---|---|---|\n")
	for i, u := range uses {
		if results[i] == "" {
			t.Fatalf("%s was not tried: the page stays as it is", u.program)
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s |\n", u.program, strings.TrimPrefix(u.from, "npm "), u.version(t), u.does, results[i])
	}
	const begin, end = "<!-- table -->\n", "<!-- end -->\n"
	text := string(readFile(t, page))
	before, rest, found := strings.Cut(text, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for the table", page)
	}
	writeFile(t, page, []byte(before+begin+table.String()+end+after))
}

// version is that of the package, without what the distribution added.
func (u use) version(t *testing.T) string {
	t.Helper()
	if u.from == "golang" {
		return strings.TrimPrefix(runtime.Version(), "go")
	}
	if module, npm := strings.CutPrefix(u.from, "npm "); npm {
		for _, folder := range filepath.SplitList(modules(t)) {
			if got, err := decode[struct{ Version string }](filepath.Join(folder, module, "package.json")); err == nil {
				return got.Version
			}
		}
		t.Fatalf("%s is not there", module)
	}
	installed := strings.TrimSpace(run(t, "dpkg-query", "-W", "-f", "${Version}", u.from))
	if _, upstream, epoch := strings.Cut(installed, ":"); epoch {
		installed = upstream
	}
	if at := strings.LastIndexByte(installed, '-'); at > 0 {
		installed = installed[:at]
	}
	installed, _, _ = strings.Cut(installed, "+")
	return installed
}

// usePrograms are those to look for where they are called otherwise than their package.
var usePrograms = map[string]string{
	"python3-numpy": "/usr/bin/python3", "python3-minimal": "/usr/bin/python3", "sqlite3": "sqlite3", "miller": "mlr", "rsync": "rsync", "rclone": "rclone", "jq": "jq", "pv": "pv", "inotify-tools": "inotifywait", "nodejs": "node", "mawk": "awk",
	"openssh-client": "scp", "libglib2.0-bin": "gio", "borgbackup": "borg",
}

// modules are the folders in which Node.js looks for them.
func modules(t *testing.T) string {
	t.Helper()
	return must(filepath.Abs("peer/node_modules"))(t) + ":" + os.Getenv("NODE_PATH")
}

// check does it on a mount of its own and returns the result.
func (u use) check(t *testing.T) string {
	if name, is := usePrograms[u.from]; is {
		demandProgram(t, name)
	}
	if u.from == "python3-numpy" {
		demandNumpy(t)
	}
	if u.from == "npm @duckdb/node-api" {
		_, err := os.Stat("peer/node_modules/@duckdb/node-api")
		demand(t, "DuckDB", err)
		demandProgram(t, "node")
	}
	rows, more := useRows(1000), useRows(50)
	dir, files, work := t.TempDir(), t.TempDir(), t.TempDir()
	newVectors(t, filepath.Join(dir, "store.rvf"), 4, nil, rows)
	for name, content := range map[string][]byte{
		"rows.f32": rawRows(rows...), "more.f32": rawRows(more...), "more.npy": npyOf(more), "more.csv": textOf(more, "v0,v1,v2,v3\n", "", ""), "more.jsonl": textOf(more, "", "[", "]"),
	} {
		writeFile(t, filepath.Join(files, name), content)
	}
	m := serve(t, dir)
	if u.inGo != nil {
		return u.inGo(t, m)
	}
	command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", useShell+u.script)
	command.Env = append(environment(), "MNT="+m.Point, "DIR="+m.Dir, "STORE="+m.path("store.rvf"), "FILES="+files, "WORK="+work, "RVFFS="+program, "HOME="+work, "NODE_PATH="+modules(t))
	command.WaitDelay = patience
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout.String(), stderr.String())
	}
	for _, name := range names(t, m.Dir) {
		if !strings.HasSuffix(name, ".rvf") {
			t.Errorf("beside the stores stands %q", name)
		}
		run(t, program, "verify", m.backing(name))
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// useRows are vectors whose sums are easy to tell.
func useRows(count int) (rows [][]float32) {
	for i := range count {
		rows = append(rows, []float32{float32(i), -float32(i) / 8, 1 / float32(i+1), 0.5})
	}
	return rows
}

func npyOf(rows [][]float32) []byte {
	head := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", len(rows), len(rows[0]))
	return slices.Concat([]byte("\x93NUMPY\x01\x00\x76\x00"), []byte(fmt.Sprintf("%-117s\n", head)), rawRows(rows...))
}

func textOf(rows [][]float32, head, open, end string) []byte {
	text := head
	for _, row := range rows {
		text += open + strings.Trim(strings.ReplaceAll(fmt.Sprint(row), " ", ","), "[]") + end + "\n"
	}
	return []byte(text)
}
