#!/usr/bin/env bash
# setup_npm.sh: installs tests/package.json from npm, once per lockfile. Without a network the tests that need it are
# skipped, and say so.
set -euo pipefail
cd "$(dirname "$0")/../tests"
installed=node_modules/.r1-installed
if [[ -f $installed ]] && cmp -s package-lock.json "$installed"; then exit 0; fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if npm ci --ignore-scripts --no-audit --no-fund >"$log" 2>&1; then
  cp package-lock.json "$installed"
else
  tail -n 3 "$log" >&2
  echo "npm could not install tests/package.json: tests that need real tokenizers or npm clients will be skipped" >&2
fi
