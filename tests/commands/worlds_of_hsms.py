"""What happens to an HSM behind the state's back, and what drift tells of it: the verdicts of PKCS11.md 3."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from reconciler.errors import HsmFault
from reconciler.providers.hsm import KeyVerdict
from reconciler.providers.typed import keeping_cluster_keys
from tests.commands.drifting import Hands
from tests.partitions_in_memory import Token, token

Move = Callable[[Hands], None]


@dataclass(frozen=True)
class HsmCase:
    """``words`` stand in what drift says of it, or in its way out."""

    move: Move
    found: tuple[tuple[str, str], ...]
    words: str = ""


def hsm(somebody: Hands) -> Token:
    """The HSM itself."""
    return token(somebody.session.settings.home)


def fault(what: HsmFault) -> Move:
    def move(somebody: Hands) -> None:
        hsm(somebody).faults["vault"] = what

    return move


def wrong_key(what: HsmFault) -> Move:
    def move(somebody: Hands) -> None:
        cek = somebody.warehouse().describe_clusters(somebody.who, ["sales"])[0].cek_id
        hsm(somebody).verdicts["vault"] = [KeyVerdict(key_id=str(cek), fault=what)]

    return move


def lost_key(somebody: Hands) -> None:
    """What the provider keeps of it is there; the key is not."""
    held = hsm(somebody)
    cek = somebody.warehouse().describe_clusters(somebody.who, ["sales"])[0].cek_id
    for place in [place for place in held.material if place[1] == cek]:
        del held.material[place]


def lost_retired_key(somebody: Hands) -> None:
    """Nothing is under it any more."""
    provider = keeping_cluster_keys(somebody.session, "hsm")
    provider.create_cluster_key(somebody.who, "vault", "cd" * 16)
    provider.retire_cluster_key(somebody.who, "vault", "cd" * 16)
    hsm(somebody).verdicts["vault"] = [KeyVerdict(key_id="cd" * 16, fault=HsmFault.KEY_MISSING)]


def forgotten_key(somebody: Hands) -> None:
    hsm(somebody).cluster_keys.clear()


def changed(**fields: object) -> Move:
    def move(somebody: Hands) -> None:
        for name, value in fields.items():
            setattr(hsm(somebody), name, value)

    return move


def pinned_ends_soon(somebody: Hands) -> None:
    held = hsm(somebody)
    ends = somebody.world.clock.now() + timedelta(days=20)
    held.partitions["far"] = replace(held.partitions["far"], server_not_after=ends)


def later(days: int) -> Move:
    return lambda somebody: somebody.world.clock.advance(days=days)


def another_rule(somebody: Hands) -> None:
    held = hsm(somebody)
    held.partitions["vault"] = replace(held.partitions["vault"], allow_unenforced=True)


def another_certificate(somebody: Hands) -> None:
    held = hsm(somebody)
    held.certificates["link"] = replace(held.certificates["link"], fingerprint="0" * 64)


def without_configuration(somebody: Hands) -> None:
    held = hsm(somebody)
    held.partitions.pop("far")
    held.certificates.pop("link")


MISSING = (("HsmPartition/vault", "hsm-key-missing"),)
UNREACHABLE = (("HsmPartition/vault", "hsm-unreachable"),)
HSM_WORLDS: dict[str, HsmCase] = {
    "nobody did anything": HsmCase(lambda somebody: None, ()),
    **{
        f"the link fails: {what}": HsmCase(fault(what), UNREACHABLE, str(what))
        for what in (
            *(HsmFault.CLIENT_CERT_REJECTED, HsmFault.CLIENT_CERT_EXPIRED, HsmFault.SERVER_CERT_MISMATCH),
            *(HsmFault.UNREACHABLE, HsmFault.CLOSED, HsmFault.TIMEOUT, HsmFault.MODULE_UNUSABLE),
            *(HsmFault.MODULE_CRASHED, HsmFault.ABSENT_OR_AMBIGUOUS, HsmFault.PIN_REFUSED, HsmFault.PIN_UNAVAILABLE),
            HsmFault.BUSY,
        )
    },
    "the partition was initialised anew": HsmCase(
        fault(HsmFault.REINITIALISED), MISSING, "rooted in it: Cluster/sales"
    ),
    "a cluster's key is gone": HsmCase(lost_key, MISSING, "the key that opens Cluster/sales"),
    "a retired key is gone": HsmCase(
        lost_retired_key, (("HsmPartition/vault", "attribute-changed"),), "nothing here is under it"
    ),
    "the HSM provider's record is older than a cluster's key": HsmCase(
        forgotten_key, MISSING, "have nothing removed from the token"
    ),
    **{
        f"a cluster's key is not what it was: {what}": HsmCase(wrong_key(what), MISSING, str(what))
        for what in (HsmFault.KEY_DUPLICATE, HsmFault.KEY_SUBSTITUTED, HsmFault.KEY_WEAKENED)
    },
    "it gives out keys by now": HsmCase(
        changed(leaks=True),
        (("HsmPartition/far", "hsm-key-missing"), ("HsmPartition/vault", "hsm-key-missing")),
        "it gives them out",
    ),
    "a key of ours that nothing is recorded of": HsmCase(
        changed(orphans=("ab" * 16,)),
        (("HsmPartition/far", "resource-unmanaged"), ("HsmPartition/vault", "resource-unmanaged")),
        "nothing is recorded of",
    ),
    "another machine of the group answers": HsmCase(
        changed(serial="0002"),
        (("HsmPartition/far", "attribute-changed"), ("HsmPartition/vault", "attribute-changed")),
        "one of a group of HSMs",
    ),
    "our certificate ends soon": HsmCase(
        later(61), (("HsmClientCertificate/link", "certificate-expiring"),), "expires on"
    ),
    "our certificate is over": HsmCase(
        later(91), (("HsmClientCertificate/link", "certificate-expiring"),), "expired on"
    ),
    "the HSM's certificate ends soon": HsmCase(
        pinned_ends_soon,
        (("HsmPartition/far", "certificate-expiring"), ("HsmPartition/far", "attribute-changed")),
        "serverCertificate",
    ),
    "a rule of the partition was changed": HsmCase(another_rule, (("HsmPartition/vault", "attribute-changed"),)),
    "our certificate was replaced": HsmCase(
        another_certificate, (("HsmClientCertificate/link", "attribute-changed"),), "find out who made it"
    ),
    "what was kept of it is gone": HsmCase(
        without_configuration,
        (("HsmClientCertificate/link", "resource-missing"), ("HsmPartition/far", "resource-missing")),
        "backup",
    ),
}
