#!/usr/bin/env bash
# Make .venv hold exactly what requirements.txt locks, plus this package in editable form.
# Safe to repeat and to interrupt: the stamp is written last, and names everything that the environment was made from.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=${PYTHON:-}
if [ -z "$wanted" ]; then
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      wanted=$candidate
      break
    fi
  done
fi
if [ -z "$wanted" ] || ! "$wanted" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "setup: reconciler needs Python 3.11 or newer; found: $("${wanted:-python3}" --version 2>&1 | head -n 1)." >&2
  echo "       Install one, or name it: make setup PYTHON=/path/to/python3.12" >&2
  exit 1
fi
if ! "$wanted" -c 'import ensurepip, venv' 2>/dev/null; then
  echo "setup: $wanted cannot make virtual environments (on Debian: install python3-venv)." >&2
  exit 1
fi

# Entry points and the list of top-level packages are read at install, so a new plugin folder asks for a reinstall.
fingerprint=$({
  cat requirements.txt pyproject.toml "$0"
  "$wanted" -c 'import sys; print(sys.version)'
  for plugin in plugins/*/__init__.py; do echo "$plugin"; done
  pwd
} | sha256sum | cut -d' ' -f1)
stamp=.venv/.made-from
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$fingerprint" ] && .venv/bin/python -c '' 2>/dev/null; then
  exit 0
fi

echo "setup: .venv from requirements.txt ($("$wanted" --version))"
rm -f "$stamp"
if [ -d .venv ] && ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
  "$wanted" -m venv --clear .venv  # half made, or its interpreter is gone
else
  "$wanted" -m venv .venv
fi
# Wheels only: building a source package would fetch build tools that no hash covers.
pip=(.venv/bin/python -m pip install -qq --disable-pip-version-check --no-input)
"${pip[@]}" --only-binary :all: --require-hashes -r requirements.txt
"${pip[@]}" --no-deps --no-build-isolation --editable .
echo "$fingerprint" >"$stamp"
