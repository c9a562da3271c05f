#!/usr/bin/env bash
# schemathesis.sh [MAX_EXAMPLES]: requests that schemathesis (PyPI) makes up from /openapi.json, against a server that plays a
# script, or runs the model that MODEL names (as r1-nano); what the document does not allow is a fault. It is installed into
# build/schemathesis/, and not part of `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."
r1=${R1:-build/release/r1}
venv=${SCHEMATHESIS_VENV:-build/schemathesis}
if [[ ! -x $venv/bin/schemathesis ]]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet 'schemathesis==4.32.5'
fi
log=$(mktemp)
served=(--engine script:tests/e2e/scripts/chat.json)
[[ -z ${MODEL:-} ]] || served=("$MODEL")
"$r1" serve "${served[@]}" --port 0 --drain-seconds 1 2>"$log" &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server || true; rm -f "$log"' EXIT
for _ in $(seq 100); do
  url=$(grep -oE 'http://[^ ]+' "$log" || true)
  [[ -z $url ]] || break
  sleep 0.1
done
# Not what a schema cannot say: that a value is refused for another's sake, or that a model of that name is not there. Examples
# outside the schema are left to tests/e2e/openapi_test.mjs, which compares both ways.
# How long it takes to think of a request is the machine's affair.
"$venv/bin/schemathesis" run "$url/openapi.json" --url "$url" --max-examples "${1:-20}" --seed 1 --no-color --mode positive \
  --phases examples,fuzzing --request-timeout 30 --suppress-health-check too_slow \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance
