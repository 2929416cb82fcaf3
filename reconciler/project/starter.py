"""The files that ``init --starter`` writes for a new project: one key under a policy of its own account."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reconciler.host.durable import make_folder, write_new
from reconciler.host.sqlite import explain_os_error
from reconciler.model.ports import Fs
from reconciler.project.project import FILE_NAME

_PROJECT_FILE: Final = """\
# Where this project keeps its things. Everything here is optional.
manifests: [manifests/]
state:
  backend: sqlite
  path: .reconciler/state.db
# home: where embedded providers keep keys and data; by default in your user's data folder.
"""

_MANIFEST: Final = """\
# The software key service of one account and Region, and one key in it.
# Next: reconciler validate; reconciler plan; reconciler apply.
apiVersion: reconciler/v1alpha1
kind: Provider
metadata:
  name: keys
spec:
  plugin: softkms
  account: "111122223333"
  region: eu-west-1
  principal: arn:aws:iam::111122223333:role/platform
---
apiVersion: reconciler/v1alpha1
kind: Key
metadata:
  name: first
spec:
  provider: keys
  description: The first key of this project
  rotation:
    every: 90d
"""

_IGNORED: Final = "/.reconciler/\n"


def write_starter(fs: Fs, directory: Path) -> tuple[Path, ...]:
    """Write a project file, a first manifest and a ``.gitignore``; the paths written. What exists is left as it is, and
    a project that has manifests gets none."""
    manifests = directory / "manifests"
    wanted = {directory / FILE_NAME: _PROJECT_FILE, directory / ".gitignore": _IGNORED}
    try:
        make_folder(fs, manifests)
        if not fs.listdir(manifests):
            wanted[manifests / "key.yaml"] = _MANIFEST
        written = [path for path in wanted if not fs.exists(path)]
        for path in written:
            write_new(fs, path, [wanted[path].encode()])
    except OSError as error:
        raise explain_os_error(error, directory, "starter project") from error
    return tuple(written)
