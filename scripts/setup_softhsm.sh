#!/usr/bin/env bash
# Debian's SoftHSM2 in .tools/softhsm2: downloaded and unpacked, not installed, so that it needs no rights and touches
# nothing outside. The packages' signatures are checked by apt. Where it cannot be had, one line says so and the tests
# that need it are skipped; under CI=true it must be there.
set -euo pipefail
cd "$(dirname "$0")/.."

target=.tools/softhsm2

# Whether the module in $1 loads and makes a token.
works() {
  local folder=$1 scratch ok=0
  [ -x "$folder/usr/bin/softhsm2-util" ] && [ -f "$folder/usr/lib/softhsm/libsofthsm2.so" ] || return 1
  scratch=$(mktemp -d)
  mkdir "$scratch/tokens"
  echo "directories.tokendir = $scratch/tokens" >"$scratch/softhsm2.conf"
  (
    export SOFTHSM2_CONF="$scratch/softhsm2.conf"
    export LD_LIBRARY_PATH="$PWD/$folder/usr/lib/$(uname -m)-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    "$folder/usr/bin/softhsm2-util" --version
    "$folder/usr/bin/softhsm2-util" --module "$folder/usr/lib/softhsm/libsofthsm2.so" \
      --init-token --free --label setup-check --pin 1234 --so-pin 12345678
  ) >"$scratch/log" 2>&1 || ok=1
  rm -rf "$scratch"
  return $ok
}

missing() {
  echo "setup: SoftHSM2 is not to be had here ($1): tests that need it are skipped." >&2
  if [ "${CI:-}" = true ]; then
    echo "setup: under CI=true nothing is skipped, so this is an error." >&2
    exit 1
  fi
  exit 0
}

if works "$target"; then exit 0; fi
command -v apt-get >/dev/null && command -v dpkg >/dev/null || missing "no apt-get or dpkg on this machine"

echo "setup: SoftHSM2 in $target"
mkdir -p .tools
work=$(mktemp -d "$PWD/.tools/unpacking.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs" "$work/root"

# Package lists of our own, for when the machine's are absent, stale or not ours to update.
private=(-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User=)
has_private_lists=no
download() {
  (cd "$work/debs" && apt-get -qq -o APT::Sandbox::User= download "$@") </dev/null >"$work/log" 2>&1 && return 0
  if [ "$has_private_lists" = no ]; then
    apt-get -qq "${private[@]}" update </dev/null >"$work/log" 2>&1 || return 1
    has_private_lists=yes
  fi
  (cd "$work/debs" && apt-get -qq "${private[@]}" download "$@") </dev/null >"$work/log" 2>&1
}
unpack() {
  for package in "$work"/debs/*.deb; do dpkg -x "$package" "$work/root"; done
}

download softhsm2 libsofthsm2 softhsm2-common || missing "apt-get: $(tail -n 1 "$work/log")"
unpack

# Slim machines lack some of the shared libraries that it needs: fetch those too.
declare -A package_of=(
  [libcrypto.so.3]=libssl3 [libssl.so.3]=libssl3 [libsqlite3.so.0]=libsqlite3-0
  [libstdc++.so.6]=libstdc++6 [libgcc_s.so.1]=libgcc-s1
)
absent=$(ldd "$work/root/usr/bin/softhsm2-util" "$work/root/usr/lib/softhsm/libsofthsm2.so" |
  awk '/not found/ {print $1}' | sort -u)
for library in $absent; do
  [ -n "${package_of[$library]:-}" ] || missing "$library is not on this machine"
  download "${package_of[$library]}" || missing "apt-get: $(tail -n 1 "$work/log")"
done
unpack

rm -rf "$target"
mv "$work/root" "$target"
works "$target" || missing "it was unpacked and does not run"
