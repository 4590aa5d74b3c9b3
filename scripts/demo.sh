#!/usr/bin/env bash
# Shows a vector store's life with nothing but the programs that every machine
# has. Works in a temporary folder and leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/bin:$PATH
. scripts/show.sh

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
show "exec 3<>mnt/products.rvf/query; echo '{\"vector\": [4, 3, 2, 1], \"k\": 2}' >&3; cat <&3; exec 3>&-"

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

step 'Three generations, and what is true of them'
show 'echo "[1, 2, 3, 4]" > mnt/genes.rvdna/vectors.append && mkdir mnt/genes.rvdna/human.rvdna'
show 'ls -l mnt/human.rvdna/lineage mnt/genes.rvdna/lineage/children'
show 'rvffs lineage stores'

step 'A compaction drops the state that the child came from, and keeps a record of it'
show 'echo compact > mnt/products.rvf/ctl; jq -c "[.ancestors, .end, .weakest]" mnt/human.rvdna/lineage/ancestry.json'
show 'rvffs lineage stores/human.rvdna'

step 'A branch shows its parent, and has only what is its own'
show 'rvffs branch stores/products.rvf stores/sale.rvf'
show "echo '{\"id\": 5000, \"vector\": [4, 3, 2, 1]}' > mnt/sale.rvf/vectors.append; seq 10 19 > mnt/sale.rvf/vectors.delete"
show 'jq -c "[.live_vectors, .branch.inherited_vectors, .branch.own_vectors]" mnt/sale.rvf/status.json'
show 'cat mnt/sale.rvf/vectors/by-id/5000.json mnt/products.rvf/vectors/by-id/5000.json'
show 'seq 20 59 > mnt/products.rvf/vectors.delete; jq -c .live_vectors mnt/products.rvf/status.json mnt/sale.rvf/status.json'

step 'A backup under load is cp, too'
show 'cp mnt/products.rvf/raw backup.rvf && rvffs inspect backup.rvf'

step 'And the stores are still plain files in their folder'
show 'rvffs umount mnt'
show 'ls -l stores'

step 'Somebody overwrites a byte of the middle one: verify and lineage tell which, and what depends on it'
show "rvffs lineage --json stores/human.rvdna | jq '.stores[-1].verification.parent_manifest' > at"
show 'printf x | dd of=stores/genes.rvdna bs=1 seek=$(($(cat at) + 100)) conv=notrunc status=none'
show 'rvffs verify stores/*.rv* > report || echo "exit status $?"; grep damage: report'
show 'rvffs lineage stores/human.rvdna'
