"""A data key does not print, copy or outlive its wiping (I19, T14)."""

from __future__ import annotations

import copy
import logging
import pickle

import pytest

from reconciler.envelope.data_key import DataKey
from reconciler.envelope.mac import HmacSha256
from reconciler.testing.fakes import SeededRandom

SECRET = b"\xabkey material of a test, 32 byt\xcd"


def test_it_shows_nothing_however_it_is_printed(caplog: pytest.LogCaptureFixture) -> None:
    key = DataKey(SECRET)
    logging.getLogger(__name__).warning("key %s %r", key, key)
    for shown in (str(key), repr(key), f"{key}", f"{[key]}", caplog.text):
        assert "DataKey(…)" in shown
        assert SECRET.hex() not in shown
        assert "key material" not in shown


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, pickle.dumps])
def test_it_is_not_copied(make: object) -> None:
    assert callable(make)
    with pytest.raises(TypeError, match="not pickled or copied"):
        make(DataKey(SECRET))


def test_it_is_wiped_in_place_and_then_refuses() -> None:
    with DataKey(SECRET) as key:
        material = key.expose_key_bytes()
        assert material == SECRET
    assert material == bytes(len(SECRET))
    assert len(key) == 0
    with pytest.raises(ValueError, match="wiped"):
        key.expose_key_bytes()


def test_it_equals_the_same_material_only_and_has_no_hash() -> None:
    assert DataKey(SECRET) == DataKey(SECRET)
    assert DataKey(SECRET) != DataKey(SECRET[::-1])
    assert DataKey(SECRET) != SECRET
    with pytest.raises(TypeError):
        hash(DataKey(SECRET))
    assert DataKey.generate(SeededRandom(1)) != DataKey.generate(SeededRandom(2))


def test_a_mac_tells_key_purpose_and_message_apart() -> None:
    mac = HmacSha256(DataKey(SECRET))
    tag = mac.tag("state", b"message")
    assert tag.hex() == "2600c3d37d250c10dedf15bba66297f3a6f1a914b6ca60d8deac1cceb9ca35f5"
    assert mac.verify("state", b"message", tag)
    for purpose, message in (("stat", b"emessage"), ("state", b"messages"), ("plan", b"message")):
        assert not mac.verify(purpose, message, tag)
    assert not HmacSha256(DataKey(SECRET[::-1])).verify("state", b"message", tag)
