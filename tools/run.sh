#!/usr/bin/env bash
# run.sh: serves a model with the chat page. MODEL names one (a path or a name in the store, default smollm2:135m), PORT the
# port, R1 another binary than the release build's.
set -euo pipefail
cd "$(dirname "$0")/.."
r1=${R1:-build/release/r1}
model=${MODEL:-smollm2:135m}
port=${PORT:-8080}
synthetic=build/synthetic-tiny  # its name is what the page shows

if [[ ! -e $model ]] && ! "$r1" pull --retries 2 "$model" >/dev/null; then  # few: who has no network shall not wait
  [[ -z ${MODEL:-} ]] || exit 1  # asked for by name: nothing else will do
  echo "
$model could not be had (see above): no registry of models is reachable from here.
Serving a tiny model of random weights instead, so that the server and the page can be seen: it answers nonsense.
" >&2
  [[ -e $synthetic ]] || "$r1" synth tiny-deepseek "$synthetic"
  model=$synthetic
fi
echo "Serving $model on http://127.0.0.1:$port (Ctrl-C ends it)"
exec "$r1" serve "$model" --port "$port"
