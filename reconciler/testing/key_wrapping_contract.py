"""What every provider promises whose keys wrap the keys of other stores (``WrapsKeys``)."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.errors import InvalidCiphertextException, ReconcilerError
from reconciler.providers.key_wrapping import WrapsKeys

CONTEXT = {"reconciler:keyStore": "softkms/111122223333/eu-west-1", "reconciler:seal": "00" * 16}
KEY = bytes(range(32))


class Wrapping(NamedTuple):
    """The provider, two keys that it wraps with, as one names them in a manifest, and who may use them."""

    provider: WrapsKeys
    key: str
    other_key: str
    caller: Caller


class KeyWrappingContract:
    """Inherit it and give the fixture ``wrapping``."""

    @pytest.fixture
    def wrapping(self) -> Wrapping:
        raise NotImplementedError

    def test_what_was_wrapped_is_unwrapped(self, wrapping: Wrapping) -> None:
        provider, key, _, caller = wrapping
        assert isinstance(provider, WrapsKeys)
        made = provider.wrap_key(caller, key, DataKey(KEY), CONTEXT)
        again = provider.wrap_key(caller, key, DataKey(KEY), CONTEXT)
        for wrapped in (made.wrapped, again.wrapped):
            assert provider.unwrap_key(caller, key, wrapped, CONTEXT) == DataKey(KEY)
            assert KEY not in wrapped
            assert len(wrapped) <= 2048
        assert made.key_arn == again.key_arn

    def test_the_key_is_named_so_that_it_can_be_kept(self, wrapping: Wrapping) -> None:
        provider, key, other, caller = wrapping
        arns = [provider.wrap_key(caller, name, DataKey(KEY), CONTEXT).key_arn for name in (key, other)]
        assert len(set(arns)) == 2
        assert all(arns)

    @pytest.mark.parametrize("name", sorted(CONTEXT))
    def test_another_context_opens_nothing(self, wrapping: Wrapping, name: str) -> None:
        provider, key, _, caller = wrapping
        wrapped = provider.wrap_key(caller, key, DataKey(KEY), CONTEXT).wrapped
        for context in ({**CONTEXT, name: "other"}, {each: CONTEXT[each] for each in CONTEXT if each != name}):
            with pytest.raises(InvalidCiphertextException):
                provider.unwrap_key(caller, key, wrapped, context)

    def test_another_key_opens_nothing(self, wrapping: Wrapping) -> None:
        provider, key, other, caller = wrapping
        wrapped = provider.wrap_key(caller, key, DataKey(KEY), CONTEXT).wrapped
        with pytest.raises(ReconcilerError):
            provider.unwrap_key(caller, other, wrapped, CONTEXT)

    def test_no_other_byte_opens(self, wrapping: Wrapping) -> None:
        provider, key, _, caller = wrapping
        wrapped = provider.wrap_key(caller, key, DataKey(KEY), CONTEXT).wrapped
        for at in range(0, len(wrapped), 7):
            changed = wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :]
            with pytest.raises(ReconcilerError) as refused:
                provider.unwrap_key(caller, key, changed, CONTEXT)
            assert KEY.hex() not in str(refused.value)
