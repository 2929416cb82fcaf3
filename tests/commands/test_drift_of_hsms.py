"""Drift asks the HSM (HS7), and says what to do; a plan does not, so that one that is out of reach stops no plan."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import HsmFault
from reconciler.providers.discovery import InstalledPlugins
from reconciler.testing.fakes import SeededRandom
from tests.commands.drifting import applied, check_findings, cluster, drift, hands
from tests.commands.worlds_of_hsms import HSM_WORLDS
from tests.hsm_in_memory import find_plugin
from tests.partitions_in_memory import TOKENS, pem, token
from tests.world import World, document, provider

AGENT = '"' + pem(b"the agent").replace("\n", "\\n") + '"'
MANIFESTS = (
    provider("hsm", "pkcs11")
    + document("HsmClientCertificate", "link", provider="hsm", commonName="us", validity="90d")
    + document("HsmPartition", "vault", provider="hsm", tokenLabel="vault", pinFrom="{fd: 3}")
    + document(
        "HsmPartition",
        "far",
        provider="hsm",
        slot="2",
        pinFrom="{fd: 4}",
        address="hsm.example.com:8711",
        serverCertificate=AGENT,
        clientCertificate="link",
    )
    + cluster("sales", encryption="{hsm: vault}")
)


@pytest.fixture(autouse=True)
def _hsm(hsm_in_memory: None) -> None:
    """Every world here has one."""


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The world as it was applied, to be copied."""
    folder = tmp_path_factory.mktemp("hsm") / "settled"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InstalledPlugins, "find", find_plugin)
        applied(folder, MANIFESTS)
    yield folder


@pytest.fixture
def world(settled: Path, tmp_path: Path) -> World:
    """A copy of it, with an HSM of its own."""
    copied(settled, tmp_path / "project")
    return World(tmp_path / "project", random=SeededRandom(str(tmp_path)))


def copied(settled: Path, folder: Path) -> None:
    shutil.copytree(settled, folder)
    there = token(settled / ".reconciler")
    TOKENS[(folder / ".reconciler").resolve()] = type(there)(
        certificates=dict(there.certificates),
        partitions=dict(there.partitions),
        cluster_keys=dict(there.cluster_keys),
        material=dict(there.material),
        tokens=dict(there.tokens),
    )


@pytest.mark.parametrize("what", HSM_WORLDS)
def test_what_became_of_an_hsm_is_told_by_class_with_a_way_out(what: str, world: World) -> None:
    case = HSM_WORLDS[what]
    with hands(world) as somebody:
        case.move(somebody)
    printed = drift(world, "--format", "json")

    check_findings(printed, case.found)
    told = [f"{one['observed']} {one['expected']} {one['fix']}" for one in printed.document["findings"]]
    assert all(one["fix"] for one in printed.document["findings"])
    assert not case.found or any(case.words in one for one in told), told


def test_a_plan_asks_no_hsm_and_one_out_of_reach_stops_nothing_else(world: World) -> None:
    with hands(world) as somebody:
        held = token(somebody.session.settings.home)
    held.faults["vault"] = held.faults["far"] = HsmFault.TIMEOUT
    held.calls.clear()

    assert not world.plan().has_changes
    world.declare(
        provider() + provider("dw", "warehouse") + provider("tb", "tables") + MANIFESTS + document("Key", "k")
    )
    assert [str(change.address) for change in world.plan().changes] == ["Key/k"]
    world.apply()
    assert held.calls == []


def test_the_way_out_names_our_own_certificate(world: World) -> None:
    with hands(world) as somebody:
        token(somebody.session.settings.home).faults["far"] = HsmFault.CLIENT_CERT_REJECTED
    (found,) = drift(world, "--format", "json").document["findings"]

    assert "`reconciler show HsmClientCertificate/link --pem`" in found["fix"]
