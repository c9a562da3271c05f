#!/usr/bin/env bash
# check.sh: everything about the tree that a program can judge without running it. Goes on after a failure, so that one run shows
# all; each check's last line is its sum.
set -uo pipefail
cd "$(dirname "$0")/.."

passed=0 failed=()
check() {
  local name=$1
  shift
  if "$@"; then passed=$((passed + 1)); else failed+=("$name"); fi
}

cpp_is_formatted() {
  git ls-files 'src/*.h' 'src/*.cpp' 'tests/*.h' 'tests/*.cpp' 'bench/*.cpp' | xargs clang-format --dry-run -Werror ||
    { echo "format: run make format"; return 1; }
  echo "format: clean"
}

scripts_parse() {
  local bad=0 file
  for file in tools/*.sh .ci/run; do bash -n "$file" || bad=1; done
  for file in web/*.js; do node --check "$file" || bad=1; done
  git ls-files '*.py' | xargs python3 -c '
import ast, sys
for path in sys.argv[1:]: ast.parse(open(path, encoding="utf-8").read(), path)' || bad=1
  echo "scripts: $([[ $bad -eq 0 ]] && echo "they parse" || echo "see above")"
  return $bad
}

# clang-tidy reads how each file is compiled from the folder of the preset dev; nothing needs to have been compiled there. All files
# take it ten minutes of processor time; TIDY_SINCE=REVISION looks only at those that changed since then.
code_is_tidy() {
  local files=()
  if [[ -n ${TIDY_SINCE:-} ]]; then
    mapfile -t files < <(git diff --name-only --diff-filter=d "$TIDY_SINCE" -- 'src/*.cpp')
    [[ ${#files[@]} -gt 0 ]] || { echo "tidy: nothing changed since $TIDY_SINCE"; return 0; }
  fi
  cmake --preset dev >/dev/null && python3 tools/tidy.py "${files[@]}"
}

check format cpp_is_formatted
check layers python3 tools/check_layers.py
check sql python3 tools/check_sql.py
check docs python3 tools/check_docs.py
check scripts scripts_parse
check tidy code_is_tidy
python3 tools/sizes.py

[[ ${#failed[@]} -eq 0 ]] || echo "failed: ${failed[*]}"
echo "check: $passed passed, ${#failed[@]} failed"
[[ ${#failed[@]} -eq 0 ]]
