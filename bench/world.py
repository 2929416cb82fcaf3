#!/usr/bin/env python3
"""Make one declared world of N resources, as manifests: what the benchmarks load and plan.

Shape, after PERFORMANCE.md 2: three Providers, then groups of 20 = 1 Key, 1 KeyPolicy, 4 Grants, 2 Clusters, and 11
Tables in 1 Keyspace. The same world comes out every time; --change PCT alters one field in that share of the files
(those with the Key and its like first), so that a re-plan has something to find.

usage: bench/world.py N FOLDER [--docs-per-file K] [--change PCT] [--empty]
--empty names the plugins of nothing.py, which make nothing.
Importable: documents(n), to_yaml(document), write(n, folder, docs_per_file, change, empty).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

GROUP = 20
ACCOUNT = "111122223333"
REGION = "eu-central-1"
PROVIDERS = ("softkms", "warehouse", "tables")

Tree = dict[str, Any]


def documents(count: int, *, empty: bool = False) -> list[Tree]:
    """``count`` documents, the three Providers among them; references always lead to one that is there."""
    providers = (_provider(plugin, f"nothing-{plugin}" if empty else plugin) for plugin in PROVIDERS)
    return [*providers, *(_resource(*divmod(index, GROUP)) for index in range(count - len(PROVIDERS)))]


def _provider(name: str, plugin: str) -> Tree:
    spec = {
        "plugin": plugin,
        "account": ACCOUNT,
        "region": REGION,
        "principal": f"arn:aws:iam::{ACCOUNT}:role/keeper",
    }
    return {"apiVersion": "reconciler/v1alpha1", "kind": "Provider", "metadata": {"name": name}, "spec": spec}


def _resource(group: int, member: int) -> Tree:
    tag = f"{group:06d}"
    kind, name, provider, fields = _member(group, member, tag, f"key-{tag}")
    return {
        "apiVersion": "reconciler/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "labels": {"team": f"team-{group % 50}", "env": "prod"}},
        "spec": {"provider": provider, **fields},
    }


def _member(group: int, member: int, tag: str, key: str) -> tuple[str, str, str, Tree]:
    if member == 0:
        rotation = {"every": "90d", "trigger": "first"}
        tags = {"owner": f"team-{group % 50}", "cost-centre": f"{group % 97:04d}"}
        fields: Tree = {"description": f"Key of group {group}", "rotation": rotation, "tags": tags}
        return "Key", key, "softkms", fields
    if member == 1:
        return "KeyPolicy", f"policy-{tag}", "softkms", {"key": key, "document": _policy(group)}
    if member < 6:
        return "Grant", f"grant-{tag}-{member - 2}", "softkms", _grant(group, member, key)
    if member < 8:
        fields = {"nodeType": "ra3.xlplus", "nodes": 2, "database": "dev", "encryption": {"key": key}}
        return "Cluster", f"cluster-{tag}-{member - 6}", "warehouse", fields
    if member == 8:
        return "Keyspace", f"k{tag}", "tables", {"replicationClass": "SingleRegionStrategy"}
    return "Table", f"t{tag}x{member - 9}", "tables", _table(tag, key)


def _policy(group: int) -> Tree:
    statement = {
        "Sid": "Keepers",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/keeper"},
        "Action": ["kms:*"],
        "Resource": "*",
    }
    use = {
        "Sid": f"Use by team {group % 50}",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/team-{group % 50}"},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"],
        "Resource": "*",
    }
    return {"Version": "2012-10-17", "Statement": [statement, use]}


def _grant(group: int, member: int, key: str) -> Tree:
    return {
        "key": key,
        "granteePrincipal": f"arn:aws:iam::{ACCOUNT}:role/service-{group % 97}-{member}",
        "operations": ["Decrypt", "GenerateDataKey"],
        "constraints": {"encryptionContextSubset": {"app": f"app-{group % 11}"}},
    }


def _table(tag: str, key: str) -> Tree:
    return {
        "keyspace": f"k{tag}",
        "schema": {
            "columns": [{"name": "id", "type": "uuid"}, {"name": "at", "type": "timestamp"}],
            "partitionKey": ["id"],
            "clusteringKey": [{"name": "at", "order": "DESC"}],
        },
        "encryption": {"type": "CUSTOMER_MANAGED_KMS_KEY", "key": key},
    }


def to_yaml(document: Tree) -> str:
    """Block style, as a person would write it; lists of words in one line."""
    return "---\n" + "\n".join(_lines(document, "")) + "\n"


def _lines(tree: Tree, indent: str) -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield f"{indent}{key}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list) and isinstance(value[0], dict):
            yield f"{indent}{key}:"
            for entry in value:
                first, *rest = _lines(entry, indent + "    ")
                yield f"{indent}  - {first.lstrip()}"
                yield from rest
        elif isinstance(value, list):
            yield f"{indent}{key}: [{', '.join(map(_scalar, value))}]"
        else:
            yield f"{indent}{key}: {_scalar(value)}"


def _scalar(value: object) -> str:
    text = str(value)
    is_plain = isinstance(value, int) or (text[0].isalpha() and not text.endswith("*"))
    return text if is_plain else f'"{text}"'


def write(count: int, folder: Path, docs_per_file: int = GROUP, change: float = 0.0, *, empty: bool = False) -> int:
    """Write the world to ``folder/manifests``, replacing what this wrote there before; the number of files. ``change``
    percent of the files (at least one, if more than none) have another description, spread evenly."""
    manifests = folder / "manifests"
    manifests.mkdir(parents=True, exist_ok=True)
    for old in manifests.glob("world-*.yaml"):
        old.unlink()
    world = documents(count, empty=empty)
    parts = [world[start : start + docs_per_file] for start in range(0, count, docs_per_file)]
    changed = max(1, round(len(parts) * change / 100)) if change else 0
    every = len(parts) // changed if changed else 0
    for number, part in enumerate(parts):
        text = "".join(map(to_yaml, part))
        if changed and number % every == 0 and number // every < changed:
            text = text.replace("description: Key of group", "description: The key of group").replace(
                "nodes: 2", "nodes: 3"
            )
        (manifests / f"world-{number:06d}.yaml").write_text(text)
    return len(parts)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--docs-per-file", type=int, default=GROUP)
    parser.add_argument("--change", type=float, default=0.0)
    parser.add_argument("--empty", action="store_true")
    given = parser.parse_args()
    files = write(given.count, given.folder, given.docs_per_file, given.change, empty=given.empty)
    print(f"{given.count} resources in {files} files")


if __name__ == "__main__":
    main()
