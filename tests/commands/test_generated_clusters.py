"""A lost state of clusters with everything about them is one ``import --generate`` and one apply away."""

from __future__ import annotations

from pathlib import Path

from tests.world import World, document, provider

PROVIDERS = provider("kms") + provider("dw", "warehouse")
EVERYTHING = (
    document("Key", "one")
    + document("Key", "spare")
    + document(
        "Cluster",
        "c",
        provider="dw",
        encryption="{key: one, escrow: spare}",
        snapshots="{every: 8h, retention: 2d}",
        tables="[{name: t, load: [manifests/t.csv]}]",
    )
    + document("Snapshot", "s", provider="dw", cluster="c", retention="9d")
    + document("Cluster", "r", provider="dw", encryption="{key: spare}", restoreFrom="s")
    + document("DataShare", "bi", provider="dw", producer="c", tables="[t]", consumer="r")
)


def test_what_exists_is_declared_adopted_and_left_as_it_is(tmp_path: Path) -> None:
    world = World(tmp_path / "project")
    world.declare(PROVIDERS + EVERYTHING)
    (world.folder / "manifests" / "t.csv").write_text("a\n1\n")
    assert world.run("apply", "--auto-approve").code == 0
    for file in world.folder.glob(".reconciler/state.db*"):
        file.unlink()
    world.declare(PROVIDERS)

    written = world.run("import", "--generate").out
    assert "snapshots:\n    every: 8h\n    retention: 2d\n" in written
    assert "escrow: key-" in written
    assert "producer: c\n  tables:\n  - t\n  consumer: r\n" in written
    (world.folder / "manifests" / "found.yaml").write_text(written)
    applied = world.run("apply", "--auto-approve")

    assert (applied.code, applied.err) == (0, "")
    assert "6 to import" in applied.out
    assert world.run("plan", "--detailed-exitcode").code == 0
    assert world.run("drift").code == 0
    assert world.run("verify").code == 0
