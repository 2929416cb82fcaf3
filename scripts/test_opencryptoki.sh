#!/usr/bin/env bash
# The HSM's tests on a third token, opencryptoki, for the campaign: it has CBC alone, and it really locks a PIN. Its paths
# are compiled in, and it has a daemon and shared memory. So all of it runs in namespaces of its own, with memory in the
# place of what it writes to: nothing outside is touched, and nothing is left. Root is not needed where user namespaces
# are allowed. Where it cannot be had, one line says so, and that is no failure.
set -euo pipefail
cd "$(dirname "$0")/.."

without() {
  echo "campaign: opencryptoki was NOT TRIED: $1." >&2
  exit 0
}

if [ "${1:-}" != inside ]; then
  [ -e .tools/shims/fault_shim.so ] || without "the shim that counts its calls is missing (make setup compiles it)"
  command -v unshare >/dev/null || without "there is no unshare on this machine"
  apart=(unshare --mount --ipc --pid --fork --kill-child --mount-proc)
  works='mount -t tmpfs tmpfs /run'
  if ! "${apart[@]}" bash -c "$works" 2>/dev/null; then
    apart+=(--user --map-root-user)
    why=$("${apart[@]}" bash -c "$works" 2>&1) || without "no namespaces of its own (root, or user namespaces): $why"
  fi
  CI='' scripts/setup_tokens.sh opencryptoki || without "its packages could not be unpacked"
  [ -e .tools/opencryptoki/complete ] || without "its packages are not to be had"
  "${apart[@]}" bash "$0" inside "$@"
  exit
fi
shift

# In the namespaces. Folders that are changed: memory, with links to all that was there.
mount -t tmpfs tmpfs /run
mkdir -p /run/kept /run/lock
[ /var/run -ef /run ] || mount --bind /run /var/run
[ /var/lock -ef /run/lock ] || mount --bind /run/lock /var/lock
for folder in /etc /usr/sbin /var/lib /var/log; do
  mkdir -p "/run/kept$folder"
  mount --rbind "$folder" "/run/kept$folder"
  mount -t tmpfs tmpfs "$folder"
  find "/run/kept$folder" -mindepth 1 -maxdepth 1 -exec ln -s -t "$folder" {} +
done
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
[ "$PWD/scripts" -ef scripts ] || without "this checkout lies below a folder that it needs for itself"

# One that this machine has is not this one: its links go first, since what follows would write through them.
rm -f /etc/group /etc/opencryptoki /usr/sbin/pkcsslotd /var/lib/opencryptoki /var/log/opencryptoki
mkdir /etc/opencryptoki /var/lib/opencryptoki /var/log/opencryptoki
# Whoever uses the token must be of a group pkcs11: root is.
{ echo 'pkcs11:x:0:root' && cat /run/kept/etc/group; } >/etc/group
printf 'version opencryptoki-3.1\nslot 3\n{\nstdll = libpkcs11_sw.so\n}\n' >/etc/opencryptoki/opencryptoki.conf
cp .tools/opencryptoki/usr/sbin/pkcsslotd /usr/sbin/ # its file is the key of its shared memory
touch /run/opencryptoki-is-private                  # without which no test starts or ends a daemon

python=.venv/bin/python
[ -x "$python" ] || python=python3
"$python" -m pytest -q plugins/reconciler_pkcs11/tests/on_opencryptoki.py "$@"
