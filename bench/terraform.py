#!/usr/bin/env python3
"""The peer: Terraform planning the same world as ``terraform_data`` resources (no provider to download).

usage: bench/terraform.py N FOLDER    write the world and a state that Terraform takes for its own (measures nothing)

One block a resource; a reference is the other's ``.id``, unknown until applied as a real id is. (The compact
``for_each`` form is ten times slower: PERFORMANCE.md 1.) The state is written here, since an apply grows as N squared;
``plan -detailed-exitcode`` ending with 0 proves it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from whole_process import Usage, environment, measure
from world import GROUP, Tree, documents

DOCUMENTS_PER_FILE = 2000
REFERENCES = {"key": "Key", "keyspace": "Keyspace"}
_OTHER: dict[str, Tree] = {"Key": {"description": "The key of this group"}, "Cluster": {"nodes": 3}}
_FLAGS = ("-input=false", "-no-color")


class Terraform:
    """Terraform in a folder that ``write`` filled."""

    def __init__(self, folder: Path, program: str) -> None:
        self._folder = folder
        self._program = program
        measure([program, "init", *_FLAGS], folder)

    def apply(self) -> Usage:
        """Everything, from an empty state."""
        for name in ("applied.tfstate", "applied.tfstate.backup"):
            (self._folder / name).unlink(missing_ok=True)
        return self._run("apply", *_FLAGS, "-state=applied.tfstate", "-auto-approve")

    def validate(self) -> Usage:
        return self._run("validate", "-no-color")

    def plan_cold(self) -> Usage:
        """Against an empty state."""
        return self._run("plan", *_FLAGS, "-state=none.tfstate", "-detailed-exitcode", exit_code=2)

    def plan_noop(self) -> Usage:
        return self._run("plan", *_FLAGS, "-detailed-exitcode")

    def plan_changed(self) -> Usage:
        """What ``write`` changed since the state was made."""
        return self._run("plan", *_FLAGS, "-detailed-exitcode", exit_code=2)

    def _run(self, *arguments: str, exit_code: int = 0) -> Usage:
        return measure([self._program, *arguments], self._folder, exit_code=exit_code)


def find_program() -> str | None:
    """Where Terraform is, None when it is not on the path."""
    return shutil.which("terraform")


def write(count: int, folder: Path, *, change: float = 0.0, with_state: bool = True) -> None:
    """The world of ``count`` resources in ``folder``; ``change`` percent of its groups have other fields, as
    ``world.write`` changes that share of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    world = documents(count)
    for start in range(0, count, DOCUMENTS_PER_FILE):
        blocks = map(_block, _changed(world, change)[start : start + DOCUMENTS_PER_FILE])
        (folder / f"world-{start // DOCUMENTS_PER_FILE:05d}.tf").write_text("".join(blocks))
    if with_state:
        (folder / "terraform.tfstate").write_text(json.dumps(_state(world), indent=2))


def _changed(world: Sequence[Tree], change: float) -> list[Tree]:
    groups = len(world) // GROUP
    changed = max(1, round(groups * change / 100)) if change else 0
    every = groups // changed if changed else 0
    return [
        {**document, "spec": {**document["spec"], **_OTHER.get(document["kind"], {})}}
        if changed and (group := index // GROUP) % every == 0 and group // every < changed
        else document
        for index, document in enumerate(world)
    ]


def _block(document: Tree) -> str:
    return (
        f'resource "terraform_data" "{_name(document)}" {{\n  input = {_hcl(_input(document), document["kind"])}\n}}\n'
    )


def _name(document: Tree) -> str:
    return _block_name(document["kind"], document["metadata"]["name"])


def _block_name(kind: str, name: str) -> str:
    return f"{kind}_{name}".replace("-", "_").lower()


def _input(document: Tree) -> Tree:
    return {"kind": document["kind"], "labels": document["metadata"].get("labels", {}), **document["spec"]}


def _hcl(value: Any, kind: str) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_field(key, item, kind)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_hcl(item, kind) for item in value) + "]"
    return json.dumps(value)


def _field(key: str, value: Any, kind: str) -> str:
    if key in REFERENCES:
        return f"terraform_data.{_block_name(REFERENCES[key], value)}.id"
    return _hcl(value, kind)


# --- the state, as `terraform apply` would have left it ---------------------------------------------------------------


def _state(world: Sequence[Tree]) -> Tree:
    program = find_program()
    answer = subprocess.run(
        [str(program), "version", "-json"], check=True, capture_output=True, text=True, env=environment()
    )
    resources = sorted(map(_recorded, world), key=lambda resource: str(resource["name"]))
    return {
        "version": 4,
        "terraform_version": json.loads(answer.stdout)["terraform_version"],
        "serial": len(world) + 1,
        "lineage": str(uuid.uuid4()),
        "outputs": {},
        "resources": resources,
        "check_results": None,
    }


def _recorded(document: Tree) -> Tree:
    value = _resolved(_input(document))
    both = {"value": value, "type": _type(value)}
    instance = {
        "schema_version": 0,
        "attributes": {"id": _identity(_name(document)), "input": both, "output": both, "triggers_replace": None},
        "sensitive_attributes": [],
        "dependencies": sorted({f"terraform_data.{name}" for name in _named(document["spec"])}),
    }
    return {
        "mode": "managed",
        "type": "terraform_data",
        "name": _name(document),
        "provider": 'provider["terraform.io/builtin/terraform"]',
        "instances": [instance],
    }


def _identity(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key in REFERENCES:
                yield _block_name(REFERENCES[key], item)
            else:
                yield from _named(item)


def _resolved(value: Any) -> Any:
    if isinstance(value, list):
        return [_resolved(item) for item in value]
    if isinstance(value, dict):
        return {
            key: _identity(_block_name(REFERENCES[key], item)) if key in REFERENCES else _resolved(item)
            for key, item in value.items()
        }
    return value


def _type(value: Any) -> Any:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return ["tuple", [_type(item) for item in value]]
    return ["object", {key: _type(item) for key, item in value.items()}]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--change", type=float, default=0.0)
    given = parser.parse_args()
    # Changed text stands against the state of the unchanged world.
    write(given.count, given.folder, change=given.change, with_state=not given.change)


if __name__ == "__main__":
    main()
