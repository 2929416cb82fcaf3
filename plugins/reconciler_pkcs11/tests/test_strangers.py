"""Objects in the token that are not ours, or not as we made them: passed over, never touched, or told (HS6)."""

from __future__ import annotations

import shutil

import pytest

from reconciler.errors import HsmError, HsmFault, HsmUnavailable, InvalidCiphertextException
from reconciler.providers.hsm import Suite
from reconciler.testing.fakes import ManualClock
from reconciler_pkcs11.cryptoki.constants import Attribute
from reconciler_pkcs11.tests.elsewhere import elsewhere
from reconciler_pkcs11.tests.opening import AAD, data_key, label_of, new_id, open_local
from reconciler_pkcs11.tests.partition_contract import generated
from reconciler_pkcs11.tests.tokens import Tokens

BOTH = pytest.mark.parametrize("name", ["a", "nss"])
USES = [Attribute.ENCRYPT, Attribute.DECRYPT]
VALUE = "07" * 32


@BOTH
def test_strangers_objects_do_not_stop_a_listing(tokens: Tokens, name: str) -> None:
    strange = new_id()
    elsewhere(
        tokens,
        name,
        {"do": "create", "label": "fffe20736f6d65", "id": strange, "value": VALUE, "uses": USES},
        {"do": "create", "label": b"reconcile".hex(), "id": "01", "value": VALUE, "uses": USES},
        {"do": "create", "label": "", "id": "02", "value": VALUE, "uses": USES},
        {"do": "create", "label": b"reconciler/\xff\xfe".hex(), "id": "0301", "value": VALUE, "uses": USES},
        {"do": "create", "label": (b"reconciler/" + b"x" * 300).hex(), "id": new_id(), "value": VALUE, "uses": USES},
    )
    partition = open_local(tokens, name)
    key_id = generated(partition, Suite.GCM)

    assert {key.key_id for key in partition.list_keys()} == {key_id}
    partition.destroy(strange, "x")
    partition.close()
    assert elsewhere(tokens, name, {"do": "count", "id": strange}) == [1]


@BOTH
def test_an_id_that_a_stranger_has_is_taken(tokens: Tokens, name: str) -> None:
    taken = new_id()
    elsewhere(tokens, name, {"do": "create", "label": b"theirs".hex(), "id": taken, "value": VALUE, "uses": USES})
    partition = open_local(tokens, name)

    with pytest.raises(HsmError) as refused:
        partition.generate(taken, label_of(taken), Suite.GCM)

    assert refused.value.fault is HsmFault.KEY_DUPLICATE
    with pytest.raises(HsmError) as missing:
        partition.relabel(taken, "reconciler/mine")
    assert missing.value.fault is HsmFault.KEY_MISSING
    partition.close()


def test_two_keys_of_one_id_are_a_duplicate(tokens: Tokens) -> None:
    partition = open_local(tokens, "a")
    key_id = generated(partition, Suite.GCM)
    sealed = partition.wrap(key_id, Suite.GCM, data_key(), AAD)
    elsewhere(
        tokens,
        "a",
        {"do": "create", "label": label_of(key_id).encode().hex(), "id": key_id, "value": VALUE, "uses": USES},
    )

    with pytest.raises(HsmError) as duplicate:
        partition.unwrap(sealed, AAD)

    assert duplicate.value.fault is HsmFault.KEY_DUPLICATE
    assert len(partition.find_keys(key_id)) == 2
    partition.close()


@BOTH
def test_a_key_with_other_attributes_than_ours_is_told_by_their_names(tokens: Tokens, name: str) -> None:
    key_id = new_id()
    elsewhere(
        tokens,
        name,
        {
            "do": "create",
            "label": label_of(key_id).encode().hex(),
            "id": key_id,
            "value": VALUE,
            "uses": [*USES, Attribute.WRAP],
            "sensitive": False,
            "extractable": True,
        },
    )
    partition = open_local(tokens, name)

    (found,) = partition.find_keys(key_id)

    # One of them has a secret key of its own database sensitive whatever is asked for.
    assert {"EXTRACTABLE", *(["SENSITIVE"] if name == "a" else [])} < set(found.weakened)
    partition.close()


def test_a_key_that_was_put_in_anothers_place_opens_nothing(tokens: Tokens) -> None:
    partition = open_local(tokens, "a")
    key_id = generated(partition, Suite.GCM)
    sealed = partition.wrap(key_id, Suite.GCM, data_key(), AAD)
    partition.destroy(key_id, label_of(key_id))
    elsewhere(
        tokens,
        "a",
        {"do": "create", "label": label_of(key_id).encode().hex(), "id": key_id, "value": VALUE, "uses": USES},
    )

    with pytest.raises(InvalidCiphertextException):
        partition.unwrap(sealed, AAD)
    partition.close()


@BOTH
def test_what_another_process_made_or_removed_is_seen_at_once(tokens: Tokens, name: str) -> None:
    first, second = open_local(tokens, name), open_local(tokens, name)
    key_id, key = generated(first, Suite.GCM), data_key()
    sealed = first.wrap(key_id, Suite.GCM, key, AAD)

    assert second.unwrap(sealed, AAD) == key
    second.destroy(key_id, label_of(key_id))

    with pytest.raises(HsmError) as missing:
        first.unwrap(sealed, AAD)
    assert missing.value.fault is HsmFault.KEY_MISSING
    first.close()
    second.close()


def test_a_token_that_goes_away_is_told_as_such_and_found_again_when_it_is_back(tokens: Tokens) -> None:
    clock, key = ManualClock(), data_key()
    partition = open_local(tokens, "a", clock=clock)
    sealed = partition.wrap(generated(partition, Suite.GCM), Suite.GCM, key, AAD)
    home = tokens.folder / "softhsm" / "tokens"
    away = home.with_name("away")
    shutil.move(home, away)
    home.mkdir()

    for _ in range(2):  # never "the key is missing": whoever believed that would make another
        with pytest.raises(HsmUnavailable) as gone:
            partition.unwrap(sealed, AAD)
        assert gone.value.fault in (HsmFault.UNREACHABLE, HsmFault.ABSENT_OR_AMBIGUOUS)

    home.rmdir()
    shutil.move(away, home)
    clock.advance(seconds=31)
    assert partition.unwrap(sealed, AAD) == key
    partition.close()


def test_a_key_is_missing_only_if_a_fresh_worker_says_so(tokens: Tokens) -> None:
    partition = open_local(tokens, "a")
    key_id = generated(partition, Suite.GCM)
    sealed = partition.wrap(key_id, Suite.GCM, data_key(), AAD)
    elder = partition.pid
    partition.destroy(key_id, label_of(key_id))

    asked = []
    for _ in range(3):
        with pytest.raises(HsmError) as missing:
            partition.unwrap(sealed, AAD)
        assert missing.value.fault is HsmFault.KEY_MISSING
        asked.append(partition.pid)

    assert None not in asked
    assert elder not in asked
    assert len(set(asked)) == 1  # at most one new worker in half a minute
    partition.close()
