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

bold='' green='' plain=''
if [ -t 1 ]; then
	bold=$'\033[1m' green=$'\033[32m' plain=$'\033[0m'
fi
step() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
show() { # a command line, then what it prints
	printf '%s$ %s%s\n' "$green" "$1" "$plain"
	bash -euo pipefail -c "$1"
}

step 'Two empty stores'
show 'rvffs create stores/products.rvf --dimension 4 --metric cosine'
show 'rvffs create stores/notes.rvtext --dimension 8'

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

step 'The vectors are files, too, in the formats that programs read'
show 'ls -l mnt/products.rvf/vectors'
show 'tail -n 1 mnt/products.rvf/vectors/vectors.csv'
cat >compare.py <<'PYTHON'
import numpy
array = numpy.load("mnt/products.rvf/vectors/vectors.npy", mmap_mode="r")
print(array.shape, "- equal:", numpy.array_equal(array[:1000].ravel(), numpy.fromfile("new.f32", "<f4")))
PYTHON
show '/usr/bin/python3 compare.py'

step 'Any of them can be copied into another store'
show 'mkdir mnt/copy.rvf && cp mnt/products.rvf/vectors/vectors.jsonl mnt/copy.rvf/vectors.append'
show 'cmp mnt/copy.rvf/vectors/ids.npy mnt/products.rvf/vectors/ids.npy && echo the same ids'

step 'Searching is reading a file, or asking one'
show 'head -n 3 mnt/products.rvf/neighbors/5000.json'
show "exec 3<>mnt/products.rvf/query; echo '{\"vector\": [4, 3, 2, 1], \"k\": 2}' >&3; cat <&3"

step 'Deleting is writing ids'
show 'seq 0 9 > mnt/products.rvf/vectors.delete; jq .live_vectors mnt/products.rvf/status.json'

step 'Embedding a kernel is cp, and so is extracting it'
head -c 100000 /dev/urandom >vmlinuz
show 'cp vmlinuz mnt/products.rvf/kernel/image && echo -n console=ttyS0 > mnt/products.rvf/kernel/cmdline'
show 'jq -c "[.arch, .kernel_type, .image_size, .image_integrity]" mnt/products.rvf/kernel/header.json'
show 'cp mnt/products.rvf/kernel/image extracted && cmp extracted vmlinuz && echo the same bytes'

step 'Deriving a child is mkdir; the lineage tree is the directory tree'
show 'mkdir mnt/products.rvf/genes.rvdna'
show 'cat mnt/products.rvf/genes.rvdna/identity.json'
show 'ls -l mnt'

step 'A backup under load is cp, too'
show 'cp mnt/products.rvf/raw backup.rvf && rvffs inspect backup.rvf'

step 'And the stores are still plain files in their folder'
show 'rvffs umount mnt'
show 'ls -l stores'
