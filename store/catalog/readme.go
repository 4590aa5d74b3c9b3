package catalog

// Files are the texts of the control folder that are the same in every mount.
func (c *Catalog) Files() map[string][]byte {
	return map[string][]byte{"README.md": []byte(readme)}
}

const readme = `# This directory is a set of vector stores

Each folder with a name such as products.rvf is one store. Its files are views of
the store; they cost nothing until you read them, and a file that is open keeps
showing the state it was opened in.

    ls products.rvf                     what there is
    cat products.rvf/status.json        how many vectors, how much space
    cat products.rvf/manifest.json      the newest manifest
    cat products.rvf/identity.json      who the store is, and its lineage
    cat products.rvf/witness.jsonl      the audit chain
    cp  products.rvf/raw backup.rvf     a consistent backup, also under load
    ls  products.rvf/segments           every live segment, byte for byte
    cp  products.rvf/kernel/image .     the embedded kernel; the other way embeds one

The vectors are files, too, in the formats that programs read. Their size is exact
and they can be mapped.

    ls  products.rvf/vectors            vectors.npy ids.npy vectors.csv ...
    cat products.rvf/vectors/by-id/7.json

Vectors are appended by writing to vectors.append: NumPy's .npy, rows of
little-endian float32, fvecs, bvecs, fbin, safetensors, JSON, CSV, TSV or RVF
segments; the first bytes tell which. vectors.append.npy and the like force a format. Ids written to
vectors.delete delete.

    cp new.npy products.rvf/vectors.append
    echo '{"id": 7, "vector": [0.1, 0.2]}' > products.rvf/vectors.append
    echo 7 > products.rvf/vectors.delete

Or put files into incoming: each is taken in as a whole, from any program. In the
incoming of the topmost folder each file makes a store of its own.

    mv today.npy products.rvf/incoming/
    cp embeddings.npy incoming/         makes embeddings.rvf
    cp backup.rvf .                     brings a backup back

When close returns without an error the vectors are on the disk. append.log tells
what each stream brought, and why one was refused. sync does not commit, close and
fsync do.

    cat products.rvf/neighbors/7.json   the ten vectors nearest to a stored one

Any other search is a question written to query and read back from the same
descriptor:

    exec 3<>products.rvf/query
    echo '{"vector": [0.1, 0.2], "k": 5}' >&3; cat <&3

    echo compact > products.rvf/ctl     rewrites the store without dead bytes

    mkdir products.rvf/child.rvdna      derives a store; its lineage is recorded. It is
                                        empty, if not mounted with --derive=branch or copy
    mkdir new.rvf                       makes an empty store

    ls -l child.rvdna/lineage           links to the parent and the children
    cat child.rvdna/lineage/ancestry.json   the way up to the root, with verdicts

A derived store stands in its parent's folder. Where its file lies there is a
symlink to it. .rvffs/lineage.json and lineage.svg show them all. A file that
cannot be read as a store is a folder that holds error.txt alone.
`
