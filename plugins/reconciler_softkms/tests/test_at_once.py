"""Requests at once: what takes long holds nobody up, and what changes meanwhile counts."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import AccessDeniedException, DisabledException, DryRunOperationException
from reconciler.providers.keys import KeyDescription, KeyRequest
from reconciler_softkms import SoftKms, key_pairs
from reconciler_softkms.tests.asking import Client

PAIR = {"KeyPairSpec": "ECC_NIST_P256"}


class SlowPairs:
    """Pairs that are found only when the test lets them be."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()
        self._generate = key_pairs.generate
        monkeypatch.setattr(key_pairs, "generate", self._slowly)

    def _slowly(self, key_spec: str) -> key_pairs.PrivateKey:
        self.begun.set()
        assert self.may_end.wait(10)
        return self._generate(key_spec)


@pytest.fixture
def key(provider: SoftKms, caller: Caller) -> KeyDescription:
    return provider.create_key(caller, KeyRequest(), token="k")


@pytest.fixture
def slow_pairs(key: KeyDescription, monkeypatch: pytest.MonkeyPatch) -> SlowPairs:
    return SlowPairs(monkeypatch)


def test_others_go_on_while_a_pair_is_looked_for(
    provider: SoftKms, caller: Caller, key: KeyDescription, slow_pairs: SlowPairs
) -> None:
    with ThreadPoolExecutor(2) as pool:
        pair = pool.submit(Client(provider, caller).ask, "GenerateDataKeyPair", KeyId=key.arn, **PAIR)
        assert slow_pairs.begun.wait(10)
        pool.submit(provider.encrypt, caller, key.arn, b"text", {}).result(10)
        slow_pairs.may_end.set()
        assert pair.result(10)["KeyPairSpec"] == "ECC_NIST_P256"


def test_a_key_that_is_disabled_meanwhile_wraps_no_pair(
    provider: SoftKms, caller: Caller, key: KeyDescription, slow_pairs: SlowPairs
) -> None:
    with ThreadPoolExecutor(2) as pool:
        pair = pool.submit(Client(provider, caller).ask, "GenerateDataKeyPair", KeyId=key.arn, **PAIR)
        assert slow_pairs.begun.wait(10)
        provider.disable_key(caller, key.arn)
        slow_pairs.may_end.set()
        with pytest.raises(DisabledException):
            pair.result(10)
    assert [event.get("errorCode") for _, event in provider.audit_events()][-1] == "DisabledException"


def test_whoever_may_not_have_a_pair_has_none_made(provider: SoftKms, key: KeyDescription, caller: Caller) -> None:
    """Nor does a trial: looking for one costs the service dear."""
    stranger = Caller(principal=f"arn:aws:iam::{provider.account}:role/stranger", account=provider.account)
    asked = {"KeyId": key.arn, "KeyPairSpec": "RSA_4096"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_pairs, "generate", None)
        with pytest.raises(AccessDeniedException):
            Client(provider, stranger).ask("GenerateDataKeyPair", **asked)
        with pytest.raises(DryRunOperationException):
            Client(provider, caller).ask("GenerateDataKeyPair", DryRun=True, **asked)


def test_many_threads_use_one_key_pair(provider: SoftKms, caller: Caller) -> None:
    made = provider.create_key(caller, KeyRequest(key_spec="ECC_NIST_P256", key_usage="SIGN_VERIFY"), token="signing")
    asked = {"KeyId": made.arn, "SigningAlgorithm": "ECDSA_SHA_256"}
    client = Client(provider, caller)

    def round_trip(number: int) -> bool:
        message = b"message %d" % number
        signature = client.ask("Sign", Message=message, **asked)["Signature"]
        return bool(client.ask("Verify", Message=message, Signature=signature, **asked)["SignatureValid"])

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(round_trip, range(40)))
