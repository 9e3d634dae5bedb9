#!/usr/bin/env bash
# Holds a real server against its own OpenAPI document: schemathesis reads it, makes requests of every kind, right and wrong, and finds
# answers that the document does not tell, that are not shaped as it says, or that are failures of the server's own.
#   INVIGIL_BIN_DIR=target/debug tests/api/run.sh SCHEMATHESIS [its options]
set -euo pipefail
schemathesis=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
program=$(cd "${INVIGIL_BIN_DIR:?where invigil-sfu is}" && pwd)/invigil-sfu
work=$(mktemp -d)
server=
clean() {
    [ -z "$server" ] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
    rm -rf "$work"
}
trap clean EXIT

mkfifo "$work/ready"
"$program" serve --development --data-dir "$work/data" --listen 127.0.0.1:0 --media 127.0.0.1:0 --shards 1 \
    >"$work/ready" 2>"$work/log" &
server=$!
# One line, when it is ready; the end of the pipe when it could not start.
read -r -t 60 line <"$work/ready" || { cat "$work/log"; echo "the server did not start"; exit 1; }
port=$(printf '%s' "$line" | sed -E 's/.*"https":"127\.0\.0\.1:([0-9]+)".*/\1/')

command() { "$program" "$@" --data-dir "$work/data"; }
printf 'correct horse battery\n' | command user add --email admin@example.org --name Admin --role admin --password-stdin >/dev/null
token=$(command token --role admin --user admin@example.org --access-token-s 3600)
# Something that is there, so that calls get further than "not found".
exam=$(command exam create --title Mathematics --code MATH-1 --json | sed -E 's/.*"id":"([0-9a-f-]{36})".*/\1/')
entry=$(command roster add --exam MATH-1 --label "Candidate 001" --json | sed -E 's/.*"entry":"([0-9a-f-]{36})".*/\1/')

cd "$work"
export INVIGIL_EXAM=$exam INVIGIL_ENTRY=$entry
set +e
# A seed and a number of examples: the same requests each time.
PYTHONPATH="$here" PYTHONDONTWRITEBYTECODE=1 SCHEMATHESIS_HOOKS=hooks "$schemathesis" --config-file "$here/schemathesis.toml" \
    run "https://localhost:$port/api/v1/openapi.json" --tls-verify "$work/data/certificate.pem" \
    --header "Authorization: Bearer $token" --seed 20260512 --max-examples 25 --generation-deterministic \
    --phases examples,coverage,fuzzing,stateful --request-timeout 30 --no-color "$@" 2>&1 | tee "$work/said"
code=${PIPESTATUS[0]}
set -e
# One of its threads that ends like this takes the operations that it had not tried with it, and is not counted as a failure.
if grep -q "^Exception in thread" "$work/said"; then
    echo "schemathesis itself has failed"
    code=1
fi
kill -0 "$server" || { echo "the server has ended"; code=1; }
if grep -E 'panicked|ERROR' "$work/log"; then
    echo "the server's log has failures"
    code=1
fi
exit "$code"
