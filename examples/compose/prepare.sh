# Run by compose.yaml as root, before anything else: gives the other programs what they
# may read and write, and ends.
#
# Docker Compose mounts the file of a secret with the owner and mode that it has on the
# host, whatever "uid" and "mode" say, and a container with a read-only root takes no
# secret from a variable. So the secrets are copied, and their files may be readable by
# their owner alone.
set -eu
compose=${1:-/compose} volumes=${2:-/volumes}

fail() {
	echo "$1" >&2
	exit 1
}

# give USER NAME makes a secret of standard input, which that user alone can read.
give() {
	rm -f "$volumes/secrets/.new"
	cat >"$volumes/secrets/.new"
	chmod 0400 "$volumes/secrets/.new"
	chown "$1:$1" "$volumes/secrets/.new"
	mv -f "$volumes/secrets/.new" "$volumes/secrets/$2"
}

# The files that are no secrets are mounted as they are.
if [ -n "$(find "$compose"/*.yaml ! -perm -004)" ]; then
	fail 'a umask has closed this checkout to the users in the containers; open it: chmod -R go+rX collector-config && chmod go+r $(git ls-files examples)'
fi
for secret in live draft; do
	[ -s "$compose/secrets/$secret" ] || fail "examples/compose/secrets/$secret is missing or empty; examples/README.md says how to make it"
done

umask 077
for file in "$compose"/secrets/*; do
	give 65532 "${file##*/}" <"$file"
done
if [ -s "$compose/secrets/postgres" ]; then
	give 70 postgres <"$compose/secrets/postgres"
	# The same for the replicas, in PostgreSQL's own form.
	sed 's/^/*:*:*:*:/' "$compose/secrets/postgres" | give 65532 pgpass
fi

# A new volume belongs to root where the image has no such folder.
chown 10001:10001 "$volumes/queue" "$volumes/traces" "$volumes/logs"
chown 65532:65532 "$volumes/certificates"
