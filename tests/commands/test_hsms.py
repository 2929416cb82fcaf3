"""HSM partitions and certificates as commands show them: refused at plan, failing at apply, printed."""

from __future__ import annotations

import io
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from reconciler import cli
from reconciler.errors import BlockedByGuard, HsmFault, InvalidManifests
from reconciler.model.address import Address
from reconciler.model.change import Action, Verb
from reconciler.planning.blast_radius import blast_radius
from reconciler.providers.data import ClusterRequest, Root, RootKind
from reconciler.providers.hsm import KeyVerdict
from reconciler.providers.pool import ProviderPool
from reconciler.providers.typed import caller, warehouse_provider
from tests.commands.drifting import cluster
from tests.partitions_in_memory import TOKENS, Token, pem, token
from tests.world import World, document, provider

BASE = provider() + provider("dw", "warehouse") + provider("hsm", "pkcs11")
VAULT = document("HsmPartition", "vault", provider="hsm", tokenLabel="vault", pinFrom="{fd: 3}")
LINK = document("HsmClientCertificate", "link", provider="hsm", commonName="us")
LOOSE = "{preventDestroy: false}"
AGENT = '"' + pem(b"the agent").replace("\n", "\\n") + '"'
FAR = {"slot": "2", "pinFrom": "{fd: 4}", "address": "hsm.example.com:8711", "serverCertificate": AGENT}


@pytest.fixture
def world(tmp_path: Path, hsm_in_memory: None) -> World:
    return World(tmp_path / "project")


def hsm(world: World) -> Token:
    return token(world.folder / ".reconciler")


def applied(world: World) -> tuple[int, str]:
    """Exit code and output of ``apply``, whose errors a view prints."""
    world.plan()  # writes the project file
    return printed(world, "apply", "--auto-approve")


def printed(world: World, *arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        code = cli.main(["-C", str(world.folder), *arguments])
    return code, out.getvalue()


# --- what is refused at plan -----------------------------------------------------------------------------------------

POLICY = (
    "{Statement: [{Effect: Allow, Principal: {AWS: 'arn:aws:iam::111122223333:root'}, Action: 'kms:*', Resource: '*'}]}"
)
GRANT = {"granteePrincipal": "arn:aws:iam::111122223333:role/app", "operations": "[Decrypt]"}
KEY = document("Key", "k", provider="hsm", partition="vault")
LACKING = {
    "grants": (document("Grant", "g", provider="hsm", key="k", **GRANT), "Grant/g", "issue grants"),
    "policies": (document("KeyPolicy", "p", provider="hsm", key="k", document=POLICY), "KeyPolicy/p", "have key pol"),
    "aliases": (document("Alias", "a", provider="hsm", key="k"), "Alias/a", "have aliases"),
    "replicas": (document("Key", "m", provider="hsm", multiRegion="true"), "Key/m", "replicate keys"),
    "imported material": (document("Key", "m", provider="hsm", origin="EXTERNAL"), "Key/m", "take key material"),
    "rotation": (document("Key", "m", provider="hsm", rotation="{every: 90d}"), "Key/m", "rotate keys"),
    "keys that sign": (
        document("Key", "m", provider="hsm", keySpec="RSA_2048", keyUsage="SIGN_VERIFY"),
        "Key/m",
        "make keys of keySpec RSA_2048",
    ),
    "partitions": (document("Key", "m", partition="vault"), "Key/m", "keep keys in partitions"),
}


@pytest.mark.parametrize("what", LACKING)
def test_what_an_hsm_or_a_key_service_does_not_do_is_told_at_plan(what: str, world: World) -> None:
    asking, address, does = LACKING[what]
    world.declare(BASE + VAULT + KEY + asking)
    with pytest.raises(InvalidManifests) as refused:
        world.plan()

    (problem,) = refused.value.diagnostics()
    assert (problem.code, problem.address) == ("missing-capability", address)
    assert f"does not {does}" in problem.summary


def test_a_warehouse_without_hsm_roots_refuses_naming_node_type_and_root(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HS8."""
    build = ProviderPool._build
    world.declare(BASE + VAULT + cluster("sales", encryption="{hsm: vault}"))

    def lacking(pool: ProviderPool, name: str) -> object:
        made = build(pool, name)
        if name == "dw":
            monkeypatch.setattr(type(made), "takes_hsm_root", lambda self, node_type: node_type.startswith("dc2."))
        return made

    monkeypatch.setattr(ProviderPool, "_build", lacking)
    with pytest.raises(InvalidManifests) as refused:
        world.plan()
    (problem,) = refused.value.diagnostics()
    assert problem.summary == (
        'Cluster/sales: Provider "dw" does not root a cluster of nodeType ra3.large in an HSM (HS8)'
    )


ELSEWHERE = provider("hsm-us", "pkcs11", region="us-east-1")
MISPLACED = {
    "a partition of another Region": (
        ELSEWHERE
        + document("HsmPartition", "us", provider="hsm-us", slot="1", pinFrom="{fd: 3}")
        + cluster("sales", encryption="{hsm: us}"),
        "Cluster/sales",
        "spec.encryption.hsm",
        "a partition of account 111122223333 in us-east-1",
    ),
    "a certificate of another HSM": (
        ELSEWHERE + LINK + document("HsmPartition", "us", provider="hsm-us", clientCertificate="link", **FAR),
        "HsmPartition/us",
        "spec.clientCertificate",
        "names HsmClientCertificate/link of Provider/hsm, and Provider/hsm-us reaches Provider/hsm-us",
    ),
    "a key that lives in an HSM, as a root": (
        VAULT + KEY + cluster("sales", encryption="{key: k}"),
        "Cluster/sales",
        "spec.encryption.key",
        "names Key/k, which lives in the HSM of Provider/hsm",
    ),
    "a key in a partition of another HSM": (
        ELSEWHERE + VAULT + document("Key", "k", provider="hsm-us", partition="vault"),
        "Key/k",
        "spec.partition",
        "a partition of account 111122223333 in eu-west-1",
    ),
}


@pytest.mark.parametrize("what", MISPLACED)
def test_a_reference_to_another_place_is_refused_with_its_line(what: str, world: World) -> None:
    manifests, address, path, words = MISPLACED[what]
    world.declare(BASE + manifests)
    with pytest.raises(InvalidManifests) as refused:
        world.plan()

    (problem,) = refused.value.diagnostics()
    assert (problem.code, problem.address, problem.path) == ("misplaced-reference", address, path)
    assert words in problem.summary
    assert problem.where is not None


def test_a_warehouse_without_an_hsm_beside_it_is_told_which_there_are(world: World) -> None:
    other = provider("hsm", "pkcs11", region="us-east-1")
    arn = "arn:aws:redshift:eu-west-1:111122223333:hsmconfiguration:x"
    world.declare(
        provider()
        + provider("dw", "warehouse")
        + other
        + document("HsmPartition", "vault", provider="hsm", slot="1", pinFrom="{fd: 3}")
        + cluster("sales", encryption=f"{{hsm: {{arn: '{arn}'}}}}")
    )
    with pytest.raises(InvalidManifests) as refused:
        world.plan()
    (problem,) = refused.value.diagnostics()
    assert "Provider/dw has no HSM in account 111122223333, Region eu-west-1" in problem.summary
    assert "hsm (111122223333, us-east-1)" in str(problem.suggestion)


# --- what fails at apply ---------------------------------------------------------------------------------------------

FAULTS = {
    HsmFault.CLIENT_CERT_REJECTED: "`reconciler show HsmClientCertificate/link --pem`",
    HsmFault.SERVER_CERT_MISMATCH: "spec.serverCertificate of HsmPartition/far",
    HsmFault.PIN_REFUSED: "spec.pinFrom of HsmPartition/far",
    HsmFault.ABSENT_OR_AMBIGUOUS: "spec.tokenLabel or spec.slot of HsmPartition/far",
    HsmFault.UNREACHABLE: "what the test did to the token",  # its provider knows best
    HsmFault.NO_MECHANISM: "AES-GCM",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_partition_that_cannot_be_adopted_is_one_error_with_the_way_out(fault: HsmFault, world: World) -> None:
    world.declare(BASE + LINK + document("HsmPartition", "far", provider="hsm", clientCertificate="link", **FAR))
    hsm(world).faults["far"] = fault
    code, told = applied(world)

    assert (code, told.count("at HsmPartition/far")) == (7, 1), told
    assert FAULTS[fault] in told
    assert hsm(world).partitions == {}
    hsm(world).faults.clear()
    world.apply()
    assert not world.plan().has_changes


def test_a_token_that_gives_out_keys_is_taken_only_when_the_manifest_says_so(world: World) -> None:
    world.declare(BASE + VAULT)
    hsm(world).leaks = True
    assert "write `allowUnenforced: true`" in applied(world)[1]
    loose = document(
        "HsmPartition", "vault", provider="hsm", tokenLabel="vault", pinFrom="{fd: 3}", allowUnenforced="true"
    )
    world.declare(BASE + loose)
    plan = world.plan()
    assert "only as safe as whoever may log in" in plan.warnings[0].summary
    world.apply()
    assert not world.plan().has_changes and not world.plan().warnings


# --- guards ----------------------------------------------------------------------------------------------------------


def test_a_partition_does_not_go_while_a_key_or_an_unmanaged_cluster_is_in_it(world: World) -> None:
    kept = document("HsmPartition", "vault", provider="hsm", tokenLabel="vault", pinFrom="{fd: 3}", lifecycle=LOOSE)
    world.declare(BASE + kept)
    world.apply()
    with world.session() as session:
        who, root = caller(session, "dw"), Root(kind=RootKind.HSM, partition=_arn("vault"))
        request = ClusterRequest(name="foreign", node_type="ra3.large", nodes=1, database="dev", root=root)
        warehouse_provider(session, "dw").create_cluster(who, request, token="by hand")
    world.declare(BASE)
    with pytest.raises(BlockedByGuard):
        world.apply()
    (change,) = world.plan().changes
    assert [block.guard for block in change.blocked] == ["key-in-use"]
    assert "cluster foreign" in change.blocked[0].reason

    with world.session() as session:
        radius = blast_radius(session.inventory([_arn("vault")]), _arn("vault"), session.clock.now())
        assert [one.name for one in radius.holding] == ["foreign"]
        warehouse_provider(session, "dw").delete_cluster(who, "foreign")
    world.declare(BASE + kept + KEY)
    world.apply()
    world.declare(BASE + document("Key", "k", provider="hsm"))
    (change,) = world.plan().changes
    assert "still opens: key" in change.blocked[0].reason
    assert any("Key/k" in way for way in change.blocked[0].way_out)


def test_a_free_partition_goes_with_its_retired_cluster_keys(world: World) -> None:
    kept = document("HsmPartition", "vault", provider="hsm", tokenLabel="vault", pinFrom="{fd: 3}", lifecycle=LOOSE)
    loose = cluster("sales", encryption="{hsm: vault}", lifecycle=LOOSE)
    world.declare(BASE + kept + loose)
    world.apply()
    world.declare(BASE + kept + loose.replace("hsm: vault", "owned: true"))
    world.apply()
    world.declare(BASE + loose.replace("hsm: vault", "owned: true"))
    assert [one.verb for one in world.plan().changes[0].operations] == [Verb.DELETE]
    world.apply()
    assert (hsm(world).partitions, hsm(world).cluster_keys) == ({}, {})
    assert not world.plan().has_changes


def test_taking_the_manifests_away_keeps_certificate_and_partition(world: World) -> None:
    world.declare(BASE + VAULT + LINK)
    world.apply()
    world.declare(BASE)
    assert {change.action for change in world.plan().changes} <= {Action.RETAIN}
    world.apply()
    assert set(hsm(world).partitions) == {"vault"} and set(hsm(world).certificates) == {"link"}


# --- certificates ----------------------------------------------------------------------------------------------------


def test_the_certificate_that_is_registered_is_printed_and_nothing_else(world: World) -> None:
    world.declare(BASE + LINK)
    world.apply()
    code, text = printed(world, "show", "hsmclientcertificate/link", "--pem")

    assert code == 0
    assert text.strip() == hsm(world).certificates["link"].pem.strip()


WRONG_PEM = {
    "nothing is named": (("show", "--pem"), "none is named"),
    "a kind that has none": (("show", "Key/k", "--pem"), "Key/k has no certificate"),
    "one that is not made": (("show", "HsmClientCertificate/other", "--pem"), "is not in the state"),
    "a plan file": (("show", "plan.json", "--pem"), "is no address"),
}


@pytest.mark.parametrize("what", WRONG_PEM)
def test_what_has_no_certificate_is_one_message(what: str, world: World) -> None:
    arguments, words = WRONG_PEM[what]
    world.declare(BASE + LINK)
    world.apply()
    code, text = printed(world, *arguments)

    assert code == 1
    assert words in text


def test_a_certificate_is_made_anew_only_by_name_and_while_nothing_uses_it(world: World) -> None:
    loose = document("HsmClientCertificate", "link", provider="hsm", commonName="us", lifecycle=LOOSE)
    far = document("HsmPartition", "far", provider="hsm", clientCertificate="link", **FAR)
    world.declare(BASE + loose + far)
    world.apply()
    address = "HsmClientCertificate/link"
    (change,) = world.plan(replace=(Address(address),)).changes
    assert [block.guard for block in change.blocked] == ["certificate-in-use"]
    del hsm(world).partitions["far"]
    before = hsm(world).certificates["link"].fingerprint
    world.declare(BASE + loose)
    world.apply(replace=(Address(address),), excludes=(Address("HsmPartition/far"),))
    assert hsm(world).certificates["link"].fingerprint != before


# --- import and verify -----------------------------------------------------------------------------------------------


def test_what_is_adopted_already_is_imported_by_name_and_generated(world: World, tmp_path: Path) -> None:
    world.declare(BASE + VAULT + LINK + KEY)
    world.apply()
    lost = World(tmp_path / "lost", clock=world.clock, random=world.random)
    lost.folder.mkdir()
    shutil.copytree(world.folder / ".reconciler", lost.folder / ".reconciler")
    (lost.folder / ".reconciler" / "state.db").unlink()
    TOKENS[(lost.folder / ".reconciler").resolve()] = hsm(world)
    lost.declare(BASE)
    with lost.session() as session:
        session.initialise()
    code, text = printed(lost, "import", "--generate")
    assert code == 0, text
    generated = text[text.index("apiVersion") :]
    assert "partition: vault" in generated and "tokenLabel: vault" in generated
    lost.declare(BASE + "---\n" + generated.split("\n\nWarning")[0])
    plan = lost.plan()
    assert {str(change.address): change.action for change in plan.changes} == {
        "HsmClientCertificate/link": Action.IMPORT,
        "HsmPartition/vault": Action.IMPORT,
        next(str(one.address) for one in plan.changes if one.address.kind == "Key"): Action.IMPORT,
    }
    lost.apply()
    assert not lost.plan().has_changes


VERIFIED = {
    "all is well": (None, 0),
    "the link is down": (HsmFault.TIMEOUT, 1),
    "the PIN is refused": (HsmFault.PIN_REFUSED, 1),
    "it was initialised anew": (HsmFault.REINITIALISED, 3),
}


@pytest.mark.parametrize("what", VERIFIED)
def test_verify_asks_the_hsm(what: str, world: World) -> None:
    fault, expected = VERIFIED[what]
    world.declare(BASE + VAULT + LINK + KEY + cluster("sales", encryption="{hsm: vault}"))
    world.apply()
    if fault is not None:
        hsm(world).faults["vault"] = fault
    code, text = printed(world, "verify", "HsmPartition/vault", "HsmClientCertificate/link")

    assert code == expected, text
    assert ("canaries wrapped and unwrapped" in text) or fault is not None


def test_verify_tells_keys_that_are_gone_and_a_partition_that_gives_them_out(world: World) -> None:
    world.declare(BASE + VAULT + cluster("sales", encryption="{hsm: vault}"))
    world.apply()
    hsm(world).leaks = True
    code, text = printed(world, "verify", "HsmPartition/vault")
    assert (code, "gives out keys" in text) == (3, True)


def test_of_two_keys_of_one_id_verify_has_one_removed_and_no_backup_put_back(world: World) -> None:
    world.declare(BASE + VAULT)
    world.apply()
    hsm(world).verdicts["vault"] = [KeyVerdict(key_id="ab" * 16, fault=HsmFault.KEY_DUPLICATE)]
    code, text = printed(world, "verify", "HsmPartition/vault")
    assert (code, "remove the one that was made later" in text, "backup" in text) == (3, True, False)


def _arn(name: str) -> str:
    return f"arn:aws:redshift:eu-west-1:111122223333:hsmconfiguration:{name}"


# --- a move that tries the connection alone ---------------------------------------------------------------------------


def test_each_plan_warns_of_keys_that_were_never_tried_until_verify_has(world: World) -> None:
    copied = document("HsmPartition", "copied", provider="hsm", slot="2", pinFrom="{fd: 4}", verify="connection-only")
    world.declare(BASE + VAULT + copied + cluster("sales", encryption="{hsm: vault}"))
    world.apply()
    held = hsm(world)
    for (arn, key_id), key in list(held.material.items()):  # what the vendor's tools do
        if arn == held.partitions["vault"].arn:
            held.material[held.partitions["copied"].arn, key_id] = key
    world.declare(BASE + VAULT + copied + cluster("sales", encryption="{hsm: copied}"))
    assert applied(world)[0] == 0
    for _ in range(2):
        code, text = printed(world, "plan", "--detailed-exitcode")
        assert (code, "The keys of Cluster/sales were not tried in its partition yet" in text) == (0, True), text
    code, text = printed(world, "verify", "Cluster/sales")
    assert code == 0, text
    assert "were not tried" not in printed(world, "plan")[1]
