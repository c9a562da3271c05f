#!/usr/bin/env bash
# lm_eval.sh [PROBLEMS]: EleutherAI's lm-evaluation-harness (PyPI) asks a running server, through its client for chat completions
# (local-chat-completions), problems that r1-nano was trained for. Its answers must be those that the server gives to anybody,
# and its score that of our own grader. The harness is installed into build/lm-eval/, and not part of `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."
r1=${R1:-build/release/r1}
n=${1:-100}
venv=${LM_EVAL_VENV:-build/lm-eval}
if [[ ! -x $venv/bin/lm-eval ]]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet 'lm-eval[api]==0.4.13'
fi
work=$(mktemp -d)
"$r1" serve r1-nano --port 0 --drain-seconds 1 2>"$work/log" &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server || true; rm -rf "$work"' EXIT
for _ in $(seq 100); do
  url=$(grep -oE 'http://[^ ]+' "$work/log" || true)
  [[ -z $url ]] || break
  sleep 0.1
done
export HF_HOME=$work/hf HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1
python3 -B tools/lm_eval.py make "$r1" "$n" "$work"
"$venv/bin/lm-eval" run --model local-chat-completions --tasks r1_addition,r1_letters --include_path "$work" --apply_chat_template \
  --model_args "model=r1-nano,base_url=$url/v1/chat/completions,num_concurrent=4,max_retries=1" \
  --output_path "$work/out" --log_samples >"$work/said" 2>&1 || { cat "$work/said"; exit 1; }
grep -E '^\|' "$work/said" || true
python3 -B tools/lm_eval.py compare "$r1" "$url" "$work"
