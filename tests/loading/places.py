"""Small projects for the loader's tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reconciler.errors import Diagnostic, InvalidManifests
from reconciler.loading.load import load

BASE = """\
apiVersion: reconciler/v1alpha1
kind: Provider
metadata: {name: kms}
spec:
  plugin: softkms
  account: "111122223333"
  region: eu-central-1
  principal: arn:aws:iam::111122223333:role/keeper
---
apiVersion: reconciler/v1alpha1
kind: Key
metadata: {name: orders}
spec: {provider: kms}
"""


def project(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """A project with these files; their names are relative to ``manifests/`` unless they hold a slash."""
    for name, content in files.items():
        path = root / (name if "/" in name else f"manifests/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def manifest(kind: str, name: str, spec: str = "provider: kms") -> str:
    """One document in flow style."""
    return f"---\napiVersion: reconciler/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"


def problems(root: Path) -> list[Diagnostic]:
    """What is wrong with a project; empty when nothing is."""
    try:
        load(root)
    except InvalidManifests as error:
        return list(error.diagnostics())
    return []


def told(found: list[Diagnostic]) -> str:
    """Problems as lines: place, code, summary; below each its suggestion."""
    lines = []
    for problem in found:
        lines.append(f"{problem.where} {problem.code}: {problem.summary}")
        if problem.suggestion:
            lines.append(f"  {problem.suggestion}")
    return "".join(f"{line}\n" for line in lines)
