#!/usr/bin/env bash
# What the HSM's tests need, in .tools: Debian's SoftHSM2 and NSS, and two small shims that are compiled here. Packages are
# downloaded and unpacked, not installed, so that it needs no rights and touches nothing outside; apt checks their
# signatures. What the machine has already is used as it is. What cannot be had is said in one line, and the tests that
# need it are skipped; under CI=true all must be there. With the argument ``opencryptoki``: the campaign's third token
# instead, which only scripts/test_opencryptoki.sh asks for.
set -euo pipefail
cd "$(dirname "$0")/.."

tests=plugins/reconciler_pkcs11/tests
python=.venv/bin/python
[ -x "$python" ] || python=python3
libraries="usr/lib/$(uname -m)-linux-gnu"
wanted=${1:-tokens}

# Whether tokens of these modules can be made here: softhsm, nss, faulty.
works() {
  local scratch ok=0
  scratch=$(mktemp -d)
  "$python" -I "$tests/making.py" "$scratch" "$@" >"$scratch/log" 2>&1 || ok=1
  rm -rf "$scratch"
  return $ok
}

missing() {
  echo "setup: $1 is not to be had here ($2): tests that need it are skipped." >&2
  if [ "${CI:-}" = true ]; then
    echo "setup: under CI=true nothing is skipped, so this is an error." >&2
    exit 1
  fi
  exit 0
}

compile() {
  local source
  mkdir -p .tools/shims
  for source in "$tests"/shims/*.c; do
    "$@" -shared -fPIC -o "$work/shim.so" "$source" -ldl >"$work/log" 2>&1 || return 1
    mv "$work/shim.so" ".tools/shims/$(basename "$source" .c).so"
  done
}
is_compiled() {
  local source shim
  for source in "$tests"/shims/*.c; do
    shim=".tools/shims/$(basename "$source" .c).so"
    [ "$shim" -nt "$source" ] && [ "$shim" -nt "$tests/shims/table.h" ] || return 1
  done
}

if [ "$wanted" = opencryptoki ]; then
  if [ -e .tools/opencryptoki/complete ]; then exit 0; fi
elif is_compiled && works softhsm nss faulty; then
  exit 0
fi

mkdir -p .tools
work=$(mktemp -d "$PWD/.tools/unpacking.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"

# Package lists of our own, for when the machine's are absent, stale or not ours to update.
private=(-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User=)
has_private_lists=no
download() {
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || missing "$1" "no apt-get or dpkg on this machine"
  local folder="$work/debs-$1"
  mkdir -p "$folder"
  (cd "$folder" && apt-get -qq -o APT::Sandbox::User= download "$@") </dev/null >"$work/log" 2>&1 && return 0
  if [ "$has_private_lists" = no ]; then
    apt-get -qq "${private[@]}" update </dev/null >"$work/log" 2>&1 || return 1
    has_private_lists=yes
  fi
  (cd "$folder" && apt-get -qq "${private[@]}" download "$@") </dev/null >"$work/log" 2>&1
}

# fetch TARGET PACKAGE...: unpacked into .tools/TARGET.
fetch() {
  local target=$1 package
  shift
  echo "setup: $1 in .tools/$target"
  download "$@" || missing "$1" "apt-get: $(tail -n 1 "$work/log")"
  rm -rf "$work/root"
  for package in "$work/debs-$1"/*.deb; do dpkg -x "$package" "$work/root"; done
  rm -rf ".tools/${target:?}"
  mv "$work/root" ".tools/$target"
}

# Slim machines lack some of the shared libraries that were not asked for: fetch those, too.
declare -A package_of=(
  [libcrypto.so.3]=libssl3 [libssl.so.3]=libssl3 [libsqlite3.so.0]=libsqlite3-0
  [libstdc++.so.6]=libstdc++6 [libgcc_s.so.1]=libgcc-s1 [libnspr4.so]=libnspr4 [libitm.so.1]=libitm1
)
complete() {
  local folder=".tools/$1" library package root="$work/more"
  shift
  for library in $(LD_LIBRARY_PATH="$folder/$libraries" ldd "$@" | awk '/not found/ {print $1}' | sort -u); do
    package=${package_of[$library]:-}
    [ -n "$package" ] || missing "$library" "it is not on this machine"
    download "$package" || missing "$package" "apt-get: $(tail -n 1 "$work/log")"
    dpkg -x "$work/debs-$package"/*.deb "$root"
    cp -a "$root/." "$folder/"
    rm -rf "$root"
  done
}

if [ "$wanted" = opencryptoki ]; then
  fetch opencryptoki opencryptoki libopencryptoki0
  module=".tools/opencryptoki/$libraries/opencryptoki"
  complete opencryptoki "$module/libopencryptoki.so.0" "$module/stdll/libpkcs11_sw.so" \
    .tools/opencryptoki/usr/sbin/pkcsslotd
  touch .tools/opencryptoki/complete
  exit 0
fi

if ! works softhsm; then
  fetch softhsm2 libsofthsm2 softhsm2-common
  complete softhsm2 .tools/softhsm2/usr/lib/softhsm/libsofthsm2.so
  works softhsm || missing SoftHSM2 "it was unpacked and does not run"
fi

if ! is_compiled; then
  compiled=no
  for compiler in cc gcc clang; do
    if [ $compiled = no ] && command -v "$compiler" >/dev/null && compile "$compiler" -O1; then compiled=yes; fi
  done
  if [ $compiled = no ]; then
    fetch tcc tcc libc6-dev linux-libc-dev
    compile ".tools/tcc/usr/bin/tcc" -B ".tools/tcc/$libraries/tcc" -I ".tools/tcc/usr/include" \
      -I ".tools/tcc/usr/include/$(uname -m)-linux-gnu" || missing "a C compiler" "$(tail -n 1 "$work/log")"
  fi
fi

if ! works nss; then
  fetch nss libnss3 libnspr4
  complete nss ".tools/nss/$libraries/libsoftokn3.so" ".tools/nss/$libraries/libfreebl3.so"
  works nss || missing "NSS softokn" "it was unpacked and does not run"
fi
works softhsm nss faulty || missing "a token" "what was set up does not make one"
echo "setup: tokens of SoftHSM2 and NSS can be made here"
