"""The kinds of an HSM with real tokens of SoftHSM2, from manifests to what drift tells: what ``hsm_in_memory`` stands
for elsewhere. Tokens are harmed by a client that is not ours."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path

import pytest

from reconciler import cli
from reconciler.errors import PartlyApplied
from reconciler.host.clock import SystemClock
from reconciler.model.change import Action
from reconciler.providers.typed import caller, hsm_provider, keeping_cluster_keys, warehouse_provider
from reconciler.testing.fakes import ManualClock
from reconciler.testing.quick_folder import tmp_path
from reconciler_pkcs11.tests.test_agent_command import Agents
from reconciler_pkcs11.tests.tokens import Tokens, made_tokens, tokens
from tests.applying.test_kill import finish, kill_after
from tests.applying.test_kill_operations import RealWorld, kill_in_step
from tests.commands.drifting import drift
from tests.world import document, provider

__all__ = ["made_tokens", "tmp_path", "tokens"]

ROWS = "n,note\n1,one\n2,two\n"
QUESTION = "SELECT n, note FROM t ORDER BY n"
DESTROY = """
import json, sys
import pkcs11
order = json.load(sys.stdin)
with pkcs11.lib(order["module"]).get_token(token_label=order["label"]).open(rw=True, user_pin=order["pin"]) as session:
    for found in list(session.get_objects()):
        if found[pkcs11.Attribute.LABEL].startswith(order["prefix"]):
            found.destroy()
"""
LABELS = """
import json, sys
import pkcs11
order = json.load(sys.stdin)
with pkcs11.lib(order["module"]).get_token(token_label=order["label"]).open(user_pin=order["pin"]) as session:
    print(json.dumps([found[pkcs11.Attribute.LABEL] for found in session.get_objects()]))
"""
KILLS = (4, 9)  # events of an apply: in either stage, in the middle; tests/faults kills at all of them, and more


class HsmWorld(RealWorld):
    """A project whose HSM are these tokens."""

    tokens: Tokens

    def manifests(self, root: str, retired: str = "keep") -> str:
        """Two partitions, and a cluster under ``root``; ``retired`` is what becomes of retired cluster keys."""
        hsm = provider("hsm", "pkcs11") + "  config: {module: softhsm}\n"
        partitions = "".join(
            document(
                "HsmPartition",
                name,
                provider="hsm",
                tokenLabel=self.tokens[name].label,
                pinFrom=f"{{file: {self.tokens[name].pin_file}}}",
                retiredKeys=retired,
            )
            for name in ("a", "b")
        )
        cluster = document(
            "Cluster", "c", provider="dw", nodeType="ra3.large", encryption=root, tables="[{name: t, load: [t.csv]}]"
        )
        snapshot = document("Snapshot", "s", provider="dw", cluster="c")
        return provider() + provider("dw", "warehouse") + hsm + partitions + cluster + snapshot

    def become(self, root: str, retired: str = "keep") -> None:
        """Declared with that root."""
        self.declare(self.manifests(root, retired))
        (self.folder / "t.csv").write_text(ROWS)

    def rows(self) -> list[tuple[object, ...]]:
        """What a restart of the cluster reads."""
        with self.session() as session:
            return warehouse_provider(session, "dw").select(caller(session, "dw"), "c", QUESTION).rows

    def cluster_keys(self) -> tuple[int, int]:
        """How many of the partitions are used, and how many retired, as the HSM provider recorded them."""
        with self.session() as session:
            kept = keeping_cluster_keys(session, "hsm").describe_cluster_keys(caller(session, "hsm"))
        retired = sum(key.retired_at is not None for key in kept)
        return len(kept) - retired, retired

    def in_tokens(self) -> int:
        """How many cluster keys another client finds in the tokens."""
        found = 0
        for name in ("a", "b"):
            token, module = self.tokens[name], self.tokens.module_of(name)
            order = {"module": str(module.path), "label": token.label, "pin": token.pin}
            ran = subprocess.run(
                [sys.executable, "-c", LABELS],
                input=json.dumps(order),
                env={**module.environment, "PATH": "/usr/bin"},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                timeout=60,
            )
            labels: list[str] = json.loads(ran.stdout)
            found += sum(label.startswith("reconciler/cluster/") for label in labels)
        return found

    def destroy(self, name: str, prefix: str) -> None:
        """Objects of that label go from the token, by another client's hand."""
        token, module = self.tokens[name], self.tokens.module_of(name)
        order = {"module": str(module.path), "label": token.label, "pin": token.pin, "prefix": prefix}
        environment = {**module.environment, "PATH": "/usr/bin"}
        subprocess.run(
            [sys.executable, "-c", DESTROY], input=json.dumps(order), env=environment, text=True, check=True, timeout=60
        )


@pytest.fixture
def world(tmp_path: Path, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> Iterator[HsmWorld]:
    monkeypatch.setenv("RECONCILER_OPERATOR_FILE", str(tokens.operator_file))
    made = HsmWorld(tmp_path / "project", clock=ManualClock(SystemClock().now()))  # for drift, by the same time
    made.tokens = tokens
    yield made


def told(world: HsmWorld) -> list[tuple[str, str]]:
    return drift(world, "--format", "json").found


def test_what_happens_to_a_token_is_told_by_its_class(world: HsmWorld) -> None:
    world.become("{hsm: a}")
    world.apply()
    assert not world.plan().has_changes
    assert (told(world), world.rows()) == ([], [(1, "one"), (2, "two")])

    pin_file, pin = world.tokens["a"].pin_file, world.tokens["a"].pin
    pin_file.write_text("not the PIN\n")
    refused = drift(world, "--format", "json")
    assert (refused.found, refused.code) == ([("HsmPartition/a", "hsm-unreachable")], 2)
    assert "spec.pinFrom of HsmPartition/a" in refused.document["findings"][0]["fix"]
    assert not world.plan().has_changes, "a plan asks no HSM"
    pin_file.write_text(f"{pin}\n")
    assert told(world) == []

    world.destroy("a", "reconciler/cluster/")
    gone = drift(world, "--format", "json")
    assert (set(gone.found), gone.code) == ({("HsmPartition/a", "hsm-key-missing")}, 3)
    assert any("Cluster/c" in one["expected"] for one in gone.document["findings"])
    world.destroy("a", "reconciler/marker/")
    (another,) = drift(world, "--format", "json").document["findings"]
    assert (another["class"], "initialised anew" in another["observed"]) == ("hsm-key-missing", True)


def test_keys_that_an_older_copy_of_the_providers_folder_knows_nothing_of_are_not_told_as_a_strangers(
    world: HsmWorld,
) -> None:
    """C7: a cluster's and a snapshot's; who takes them for another project's would have them removed."""
    world.become("{hsm: a}")
    world.apply()
    folder = world.folder / ".reconciler" / "pkcs11"
    shutil.copytree(folder, world.folder / "older")
    world.become("{hsm: a, rotation: {trigger: now}}")
    world.apply()
    folder.rename(world.folder / "newer")
    (world.folder / "older").rename(folder)
    assert told(world) == [("HsmPartition/a", "hsm-key-missing")] * 2
    assert world.run("verify").code == 3
    shutil.rmtree(folder)
    (world.folder / "newer").rename(folder)
    opens(world)


def test_a_cluster_that_its_hsm_did_not_let_be_made_is_made_when_it_is_back(world: HsmWorld) -> None:
    """HS5, HS9."""
    world.become("{owned: true}")
    world.apply(targets=())
    tokens = world.tokens.folder / "softhsm" / "tokens"
    assert tokens.is_dir()
    more = document("Cluster", "later", provider="dw", nodeType="ra3.large", encryption="{hsm: b}")
    world.declare(world.manifests("{owned: true}") + more)
    away = tokens.rename(tokens.with_name("away"))
    tokens.mkdir()
    with pytest.raises(PartlyApplied):
        world.apply()
    tokens.rmdir()
    away.rename(tokens)
    (change,) = world.plan().changes
    assert (change.action, [str(one.verb) for one in change.operations]) == (Action.REPLACE, ["delete", "create"])
    world.apply()
    assert not world.plan().has_changes
    assert told(world) == []


@pytest.mark.parametrize("events", KILLS)
def test_applies_killed_while_a_cluster_is_made_and_moved_lose_and_double_no_key(world: HsmWorld, events: int) -> None:
    """I1, I10: adopted, created in one partition, moved to the other; each killed once in the middle."""
    for root in ("{hsm: a}", "{hsm: b, rotation: {trigger: now}}"):
        world.become(root)
        world.session()  # writes the project file
        kill_after(world.folder, events)
        finish(world.folder)
        assert not world.plan().has_changes
        assert world.rows() == [(1, "one"), (2, "two")]
        assert told(world) == [], "no key is missing, and none of ours is left over"
    with world.session() as session:
        who = caller(session, "hsm")
        kept = keeping_cluster_keys(session, "hsm").describe_cluster_keys(who)
        live = [key for key in kept if key.retired_at is None]
        names = {one.arn: one.name for one in hsm_provider(session, "hsm").describe_partitions(who)}
        assert {names.get(key.partition, key.partition) for key in live} == {"b"}


def rotated_twice(world: HsmWorld) -> None:
    """A cluster and its snapshot, whose keys were rotated twice."""
    for trigger in ("none", "one", "two"):
        world.become(f"{{hsm: a, rotation: {{trigger: {trigger}}}}}")
        world.apply()
    assert world.cluster_keys()[1] >= 2


def opens(world: HsmWorld) -> None:
    """Cluster and snapshot, from the tokens of now."""
    assert world.rows() == [(1, "one"), (2, "two")]
    assert cli.main(["-C", str(world.folder), "verify", "--full"]) == 0
    assert told(world) == []


def test_retired_cluster_keys_leave_the_token_when_the_manifest_says_so(
    world: HsmWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """RO1: kept until it is declared, by a plan of their own; what is used and what snapshots are under stays."""
    rotated_twice(world)
    assert not world.plan().has_changes
    used, retired = world.cluster_keys()
    assert world.in_tokens() == used + retired

    world.become("{hsm: a, rotation: {trigger: two}}", retired="destroy")
    (change,) = world.plan().changes
    (step,) = change.operations[0].steps
    assert (str(change.address), step.reversible) == ("HsmPartition/a", False)
    assert len(change.diff[0].before) == retired
    world.apply()
    assert (world.cluster_keys(), world.in_tokens()) == ((used, 0), used)
    assert not world.plan().has_changes
    opens(world)

    world.become("{hsm: b, rotation: {trigger: two}}", retired="destroy")
    world.apply()
    assert [str(change.address) for change in world.plan().changes] == ["HsmPartition/a"], "the next plan's"
    world.apply()
    assert (world.cluster_keys()[1], world.in_tokens()) == (0, world.cluster_keys()[0])
    assert not world.plan().has_changes
    capsys.readouterr()
    opens(world)


def test_an_apply_killed_while_it_destroys_retired_keys_is_ended_by_the_next(world: HsmWorld) -> None:
    rotated_twice(world)
    used, _ = world.cluster_keys()
    world.become("{hsm: a, rotation: {trigger: two}}", retired="destroy")
    world.session()  # writes the project file
    kill_in_step(world.folder, 1, 0.0)
    finish(world.folder)
    assert (world.cluster_keys(), world.in_tokens()) == ((used, 0), used)
    assert not world.plan().has_changes
    with world.session() as session:
        assert not session.reader.open_intents()
    opens(world)


def test_a_partition_behind_an_agent_from_its_certificate_to_a_cluster(world: HsmWorld, tmp_path: Path) -> None:
    """HS4, HS9: refused until its certificate is registered; the refusal says how."""
    agents = Agents(tmp_path, world.tokens)
    assert agents.run("init", str(agents.home), "--name", "hsm1.example").returncode == 0
    link = document("HsmClientCertificate", "link", provider="hsm", commonName="the shop")
    cluster = document("Cluster", "c", provider="dw", nodeType="ra3.large", encryption="{hsm: far}")
    with agents.serving() as (_, address, _errors):
        far = document(
            "HsmPartition",
            "far",
            provider="hsm",
            tokenLabel=world.tokens["a"].label,
            pinFrom=f"{{file: {world.tokens['a'].pin_file}}}",
            address=f'"{address}"',
            serverCertificateFile="manifests/agent.pem",
            clientCertificate="link",
        )
        world.declare(provider() + provider("dw", "warehouse") + provider("hsm", "pkcs11") + link + far + cluster)
        (world.folder / "manifests" / "agent.pem").write_text((agents.home / "agent.pem").read_text())
        with pytest.raises(PartlyApplied):
            world.apply()
        assert {str(change.address) for change in world.plan().changes} == {"HsmPartition/far", "Cluster/c"}
        out = io.StringIO()
        with redirect_stdout(out):
            assert cli.main(["-C", str(world.folder), "show", "HsmClientCertificate/link", "--pem"]) == 0
        (agents.home / "clients" / "shop.pem").write_text(out.getvalue())
        _apply_soon(world)
        assert not world.plan().has_changes
        assert told(world) == []
    (found,) = drift(world, "--format", "json").document["findings"]
    assert (found["class"], "spec.address of HsmPartition/far" in found["fix"]) == ("hsm-unreachable", True)
    assert not world.plan().has_changes, "a plan asks no HSM"


def _apply_soon(world: HsmWorld) -> None:
    """The agent sees a registered certificate within seconds."""
    for _ in range(40):
        with suppress(PartlyApplied):
            world.apply()
            return
        time.sleep(0.2)
    world.apply()
