"""``seal: {key: PROVIDER/KEY}``: who writes the name of a manifest is told what is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.cli import main
from reconciler.model.address import Address
from tests.world import World, document, provider

ROOT = provider("root", region="eu-central-1") + document("Key", "seal", provider="root")


def test_the_name_of_a_manifest_is_no_key_there_and_the_message_says_what_is(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path)
    world.declare(provider() + ROOT + document("Key", "k"))
    world.apply()
    sealed = "role/platform\n  config: {seal: {key: root/seal}}\n"
    world.declare(provider().replace("role/platform\n", sealed) + ROOT + document("Key", "k"))
    assert main(["-C", str(tmp_path), "keystore", "reseal", "kms"]) == 1
    said = capfd.readouterr().err
    assert "Provider/root has no key seal, which is to seal a key store" in said
    assert "alias/NAME" in said
    with world.session() as session:
        row = session.reader.get(Address("Key/seal"))
    assert row is not None
    by_id = sealed.replace("root/seal", f"root/{row.identity}")
    world.declare(provider().replace("role/platform\n", by_id) + ROOT + document("Key", "k"))
    assert main(["-C", str(tmp_path), "keystore", "reseal", "kms"]) == 0
