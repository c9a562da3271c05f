#!/usr/bin/env bash
# run.sh: serves a model with the chat page. MODEL names one (a path or a name in the store; by default r1-nano, which is part
# of the program), PORT the port, R1 another binary than the release build's.
set -euo pipefail
cd "$(dirname "$0")/.."
r1=${R1:-build/release/r1}
model=${MODEL:-r1-nano}
port=${PORT:-8080}

[[ -e $model || $model == r1-nano ]] || "$r1" pull --retries 2 "$model" >/dev/null
echo "Serving $model on http://127.0.0.1:$port (Ctrl-C ends it)"
exec "$r1" serve "$model" --port "$port"
