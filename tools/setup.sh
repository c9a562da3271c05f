#!/usr/bin/env bash
# setup.sh: installs what building and testing need from Debian, when it may; otherwise says exactly what is missing.
set -euo pipefail

packages=(
  g++ cmake ninja-build ccache lld pkg-config make git python3 ca-certificates
  libfmt-dev libspdlog-dev nlohmann-json3-dev libhwy-dev libpcre2-dev libutf8proc-dev libcli11-dev libedit-dev
  libboost1.81-dev libcurl4-openssl-dev libzip-dev libssl-dev libsqlite3-dev libpq-dev postgresql
  openssl libgtest-dev libbenchmark-dev clang-format clang-tidy chromium
  g++-aarch64-linux-gnu qemu-user
)
# Node may come from elsewhere than Debian; its packages are asked for only when the commands are absent.
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)

missing=()
for package in "${packages[@]}"; do
  [[ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null)" == "ii "* ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
  else
    echo "These Debian packages are missing, and installing them needs root:" >&2
    echo "  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
fi
echo "Installing: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${as_root[@]}" apt-get update && "${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "Installing failed. What is missing: ${missing[*]}" >&2
  exit 1
fi
