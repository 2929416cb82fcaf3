"""The leg between two Regions: one transfer key, for one snapshot, on one way (SC4)."""

from __future__ import annotations

import pytest

from reconciler.envelope.data_key import DataKey
from reconciler.errors import InvalidCiphertextException
from reconciler_warehouse.copies.transport import TransportPair, label, wrap


def test_a_transfer_key_opens_for_its_snapshot_on_its_way_by_its_pair_and_no_longer() -> None:
    pair, here = TransportPair(), label("snap", "eu-west-1", "eu-central-1")
    transfer = DataKey(bytes(range(32)))
    wrapped = wrap(pair.public_key(), transfer, here)
    assert pair.open(wrapped, here) == transfer
    for other in (label("another", "eu-west-1", "eu-central-1"), label("snap", "eu-central-1", "eu-west-1")):
        with pytest.raises(InvalidCiphertextException):
            pair.open(wrapped, other)
    with pytest.raises(InvalidCiphertextException):
        TransportPair().open(wrapped, here)
    pair.drop()
    with pytest.raises(InvalidCiphertextException, match="dropped"):
        pair.open(wrapped, here)
