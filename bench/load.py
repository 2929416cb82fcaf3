#!/usr/bin/env python3
"""How much of CSafeLoader + pydantic our loading costs, cold and from the cache (PERFORMANCE.md 6, goal 10).

usage: bench/load.py [N ...] [--rounds R] [--docs-per-file K]
Each figure is from a process of its own, in turn (peer, cold, warm, 1 % of the files changed, and again); CPU time of
loading alone, without interpreter and imports; medians, and the median of the ratios of each round. The peer is
yaml.load_all with CSafeLoader, then the same pydantic models over Python objects, collector on: no line numbers, no
duplicate keys, no references checked. Ours is everything: limits, references, digests, places in every error.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel

ROOT = Path(__file__).resolve().parent.parent
SIDES = ("peer", "cold", "warm", "changed")


def peer(folder: Path) -> None:
    """Load and validate as one would without us."""
    import yaml

    from reconciler.resources import registry

    models = {kind: _document_model(registry.spec_class(kind)) for kind in registry.kind_names()}
    begin = time.process_time()
    documents = [
        models[document["kind"]].model_validate(document)
        for path in sorted((folder / "manifests").iterdir())
        for document in yaml.load_all(path.read_bytes(), yaml.CSafeLoader)
    ]
    _report(begin, len(documents))


def _document_model(spec: type[BaseModel]) -> type[BaseModel]:
    """A whole manifest as a pydantic model: what CONTRACT 1 says of its envelope, and the product's own spec."""
    from typing import Annotated, Literal

    from pydantic import ConfigDict, StringConstraints, create_model

    name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    label = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$")]
    strict = ConfigDict(extra="forbid", frozen=True)
    metadata = create_model(
        "Metadata", __config__=strict, name=name, labels=(dict[label, label], {}), annotations=(dict[str, str], {})
    )
    return create_model(
        "Manifest",
        __config__=strict,
        apiVersion=Literal["reconciler/v1alpha1"],
        kind=str,
        metadata=metadata,
        spec=spec,
    )


def ours(folder: Path, home: Path | None, *, is_warm: bool) -> None:
    """Load through the product; a warm load imports neither yaml nor pydantic, so only a cold one has them."""
    from reconciler.envelope.data_key import DataKey
    from reconciler.envelope.mac import HmacSha256
    from reconciler.loading.cache import ManifestCache
    from reconciler.loading.load import load

    if not is_warm:
        from reconciler.loading import shapes
        from reconciler.resources import registry

        for kind in registry.kind_names():
            shapes.shape(kind)
    if home is None:
        begin = time.process_time()
        _report(begin, len(load(folder).resources))
        return
    with ManifestCache(home, HmacSha256(DataKey(bytes(range(32))))) as cache:
        begin = time.process_time()
        _report(begin, len(load(folder, cache=cache).resources))


def _report(begin: float, count: int) -> None:
    used = time.process_time() - begin
    loaded = [name for name in ("yaml", "pydantic", "networkx") if name in sys.modules]
    print(json.dumps({"cpu": used, "count": count, "imported": loaded}))


def measure(side: str, folder: Path, home: Path) -> float:
    """CPU seconds of one side, in a fresh process."""
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder), "--home", str(home)]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if side == "warm" and answer["imported"]:
        raise SystemExit(f"a warm load imported {answer['imported']}")
    return float(answer["cpu"])


def compare(count: int, rounds: int, docs_per_file: int) -> dict[str, float]:
    """Medians of one size, printed."""
    from world import write

    folder = Path(tempfile.mkdtemp(prefix="bench-load-"))
    try:
        found: dict[str, list[float]] = {side: [] for side in SIDES}
        for _ in range(rounds):
            files = write(count, folder, docs_per_file)
            home = folder / "home"
            shutil.rmtree(home, ignore_errors=True)
            found["peer"].append(measure("peer", folder, home))
            found["cold"].append(measure("cold", folder, home))
            measure("fill", folder, home)
            found["warm"].append(measure("warm", folder, home))
            write(count, folder, docs_per_file, change=1)
            found["changed"].append(measure("changed", folder, home))
    finally:
        shutil.rmtree(folder)
    print(f"{count:,} documents in {files:,} files, {rounds} rounds")
    medians = {side: statistics.median(times) for side, times in found.items()}
    for side in SIDES:
        ratio = statistics.median(a / b for a, b in zip(found[side], found["peer"], strict=True))
        aim = "   (aim: at most 0.6)" if side == "cold" else ""
        micro = medians[side] / count * 1e6
        print(f"  {side:8s} {medians[side] * 1e3:9.1f} ms {micro:7.1f} us/doc   ratio to peer {ratio:.3f}{aim}")
    return medians


def main() -> None:
    """The command line; ``--side`` is how it calls itself."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--docs-per-file", type=int, default=20)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if given.side == "peer":
        peer(given.folder)
    elif given.side is not None:
        ours(given.folder, None if given.side == "cold" else given.home, is_warm=given.side in ("warm", "changed"))
    else:
        results = {count: compare(count, given.rounds, given.docs_per_file) for count in given.count}
        sizes = sorted(results)
        for small, large in itertools.pairwise(sizes):
            for side in SIDES:
                exponent = math.log(results[large][side] / results[small][side]) / math.log(large / small)
                print(f"growth exponent {small:,} to {large:,}, {side}: {exponent:.2f}")


if __name__ == "__main__":
    main()
