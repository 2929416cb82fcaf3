"""Clusters as manifests declare them, and a world to have them in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from reconciler.model.address import Address
from reconciler.resources.cluster.spec import ClusterSpec
from tests.resources.in_memory import World, digest_of

NAME = "sales"
ADDRESS = Address("Cluster/sales")
KEY_ONE = {"key": "one"}


def with_two_keys(folder: Path) -> World:
    made = World(folder)
    made.key("one")
    made.key("two")
    return made


def cluster(**spec: Any) -> ClusterSpec:
    return ClusterSpec.model_validate({"provider": "eu", "nodeType": "ra3.large", "nodes": 2, **spec})


def under(root: Mapping[str, Any], **spec: Any) -> ClusterSpec:
    return cluster(encryption=root, **spec)


def table(world: World, name: str, content: str, *files: str, **more: Any) -> dict[str, Any]:
    """A table of a manifest, its files written with that content."""
    for file in files:
        (world.project / file).write_text(content)
    loads = [{"path": file, "sha256": digest_of(world.project / file)} for file in files]
    return {"name": name, "load": loads, **more}


def observed(**changes: Any) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.eu.clusters[NAME] = replace(world.eu.clusters[NAME], **changes)

    return change


def after_days(days: float) -> Callable[[World], None]:
    return lambda world: world.clock.advance(days=days)
