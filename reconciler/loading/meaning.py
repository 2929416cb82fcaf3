"""One digest over everything that gives a manifest its meaning in this installation: when it moves, caches are void."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from functools import cache
from pathlib import Path

from reconciler.host.durable import read
from reconciler.host.os_fs import OsFs
from reconciler.resources import registry

_PACKAGE = Path(__file__).resolve().parent.parent


@cache
def meaning_digest() -> bytes | None:
    """SHA-256 over the sources of the kinds' specs, their types and the loader, and over the versions of Python,
    pydantic and PyYAML; found without importing any of them. None when that cannot be told: then nothing is cached."""
    digest = hashlib.sha256(sys.version.encode())
    try:
        for path in _sources():
            content = read(OsFs(), path)
            digest.update(f"{path.name}\0{len(content)}\0".encode() + content)
    except OSError:
        return None  # not plain files (a zip archive): nothing vouches for them
    return digest.digest()


def _sources() -> list[Path]:
    fs, resources = OsFs(), _PACKAGE / "resources"
    return [
        *(resources / registry.folder(kind) / "spec.py" for kind in registry.kind_names()),
        *(resources / name for name in ("field_types.py", "quoted.py", "reference.py", "registry.py", "spec.py")),
        *(
            _PACKAGE / folder / name
            for folder in ("access", "loading")  # access: what a policy document may say
            for name in fs.listdir(_PACKAGE / folder)
            if name.endswith(".py")
        ),
        # Each holds its version, and more than that does not matter here.
        _module("pydantic", "version.py"),
        _module("yaml", "__init__.py"),
    ]


def _module(package: str, name: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(package)
    return Path(found.submodule_search_locations[0]) / name
