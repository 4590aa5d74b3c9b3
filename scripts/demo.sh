#!/usr/bin/env bash
# Shows a vector store's life with nothing but the programs that every machine
# has. Works in a temporary folder and leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/bin:$PATH

work=$(mktemp -d)
mkdir "$work/stores" "$work/mnt"
cleanup() {
	cd /
	if mountpoint -q "$work/mnt"; then
		rvffs umount "$work/mnt"
	fi
	rm -rf "$work"
}
trap cleanup EXIT
cd "$work"

step() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
show() { # a command line, then what it prints
	printf '\033[32m$ %s\033[0m\n' "$1"
	bash -euo pipefail -c "$1"
}

step 'Two stores: one of 1,000 vectors with an embedded kernel, and an empty one'
show 'rvffs create stores/products.rvf --dimension 4 --metric cosine'
show 'rvffs create stores/notes.rvtext --dimension 8'
head -c 100000 /dev/urandom >vmlinuz
show 'rvffs embed-kernel stores/products.rvf vmlinuz --cmdline "console=ttyS0"'

step 'A folder of stores becomes a file system'
show 'rvffs mount stores mnt'
show 'ls -l mnt'

step 'Vectors go in with dd …'
/usr/bin/python3 -c 'import numpy; numpy.random.rand(1000, 4).astype("<f4").tofile("new.f32")'
show 'dd if=new.f32 of=mnt/products.rvf/vectors.append bs=1M status=none'

step '… or as lines of text'
show "echo '{\"id\": 5000, \"vector\": [1, 2, 3, 4]}' >> mnt/products.rvf/vectors.append"
show 'cat mnt/products.rvf/append.log'

step 'Bad data is refused, and nothing of it is kept'
show 'echo "[1, 2, 3]" | cat > mnt/products.rvf/vectors.append || echo "exit status $?"'
show 'tail -n 1 mnt/products.rvf/append.log'

step 'Everything in a store is a file'
show 'ls -l mnt/products.rvf mnt/products.rvf/segments'
show 'cat mnt/products.rvf/status.json'
show 'jq -c .directory[] mnt/products.rvf/manifest.json'
show 'cat mnt/products.rvf/witness.jsonl | jq -r "[.action, .verdict] | @tsv"'

step 'The vectors that went in can be read back'
cat >compare.py <<'PYTHON'
import glob, numpy
segment = sorted(glob.glob("mnt/products.rvf/segments/*-vec.seg"))[0]
rows = numpy.fromfile(segment, [("id", "<u8"), ("vector", "<f4", 4)], offset=70)
print(len(rows), "rows, ids", rows["id"].min(), "to", rows["id"].max(),
      "- equal:", numpy.array_equal(rows["vector"].ravel(), numpy.fromfile("new.f32", "<f4")))
PYTHON
show 'cat mnt/products.rvf/segments/* | wc -c'
show '/usr/bin/python3 compare.py'

step 'Extracting a kernel is cp'
show 'cp mnt/products.rvf/kernel/image extracted && cmp extracted vmlinuz && echo the same bytes'
show 'cat mnt/products.rvf/kernel/cmdline; echo'

step 'Deriving a child is mkdir; the lineage tree is the directory tree'
show 'mkdir mnt/products.rvf/genes.rvdna'
show 'cat mnt/products.rvf/genes.rvdna/identity.json'
show 'ls -l mnt'

step 'A backup under load is cp, too'
show 'cp mnt/products.rvf/raw backup.rvf && rvffs inspect backup.rvf'

step 'And the stores are still plain files in their folder'
show 'rvffs umount mnt'
show 'ls -l stores'
