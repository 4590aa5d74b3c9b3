#!/usr/bin/env bash
# Shows two mounts of one bucket, of a real server on loopback. Works in a temporary folder
# and leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/bin:$PATH
. scripts/show.sh

echo 'The server is built first, which takes some minutes once.'
server=$(go -C test/objectstore/versitygw tool -n versitygw)

work=$(mktemp -d)
mkdir -p "$work/server/vectors" "$work/here" "$work/there" "$work/state"
export AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=$(head -c 16 /dev/urandom | base64) XDG_STATE_HOME=$work/state
gateway=
cleanup() {
	cd /
	for point in here there; do
		if mountpoint -q "$work/$point" || ! stat "$work/$point" >/dev/null 2>&1; then
			rvffs umount "$work/$point" 2>/dev/null || umount -l "$work/$point"
		fi
	done
	if [ -n "$gateway" ]; then
		kill "$gateway"
		wait "$gateway" 2>/dev/null || true
	fi
	rm -rf "$work"
}
trap cleanup EXIT
cd "$work"

for _ in 1 2 3 4 5; do # somebody else may take the port that was free
	port=$((20000 + RANDOM % 20000))
	ROOT_ACCESS_KEY=$AWS_ACCESS_KEY_ID ROOT_SECRET_KEY=$AWS_SECRET_ACCESS_KEY "$server" --port "127.0.0.1:$port" --health /health --quiet posix server >server.log 2>&1 &
	gateway=$!
	for _ in $(seq 100); do
		if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || ! kill -0 "$gateway" 2>/dev/null; then
			break
		fi
		sleep 0.1
	done
	if kill -0 "$gateway" 2>/dev/null; then
		break
	fi
done
export AWS_ENDPOINT_URL=http://127.0.0.1:$port

step 'What can the server do?'
show 'rvffs s3 check s3://vectors/team'

step 'Two mounts of one bucket, as on two machines'
show 'rvffs mount s3://vectors/team here'
show 'rvffs mount s3://vectors/team there'

step 'What is appended here is seen there'
show 'mkdir here/products.rvf'
show "echo '[1, 2, 3]' > here/products.rvf/vectors.append; jq .live_vectors there/products.rvf/status.json"
show "echo '{\"id\": 9, \"vector\": [4, 5, 6]}' > there/products.rvf/vectors.append; sleep 1; cat here/products.rvf/vectors/vectors.csv"

step 'A derived store'
show 'mkdir there/products.rvf/shoes.rvf && sleep 1 && ls here && cat here/shoes.rvf/lineage/ancestry.json | jq -c "[.ancestors, .end, .weakest]"'

step 'One mount dies; the other goes on, and nothing that was acknowledged is lost'
show "kill -9 \$(jq .pid here/.rvffs/config.json); umount -l here"
show "echo '[7, 8, 9]' > there/products.rvf/vectors.append; jq .live_vectors there/products.rvf/status.json"
show 'rvffs mount s3://vectors/team here; cat here/products.rvf/vectors/vectors.csv'

step 'In the bucket, small stores are plain files'
show 'rvffs umount here; rvffs umount there; ls -l server/vectors/team; rvffs verify server/vectors/team/products.rvf'
