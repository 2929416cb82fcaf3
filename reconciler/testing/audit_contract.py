"""What every key service that keeps an audit log must do (``KeepsAuditLog``, KM9, AU1, AU4): inherit
``KeepsAuditLogContract``, give it a ``provider``, a ``caller`` that may do everything and ``reopened``, which answers
the same service as another process would open it. What a service recorded before the first test's request (an HSM tells
of partitions that it took into use) is passed over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.audit.checked import CheckedAudit
from reconciler.audit.query import AuditQuery
from reconciler.errors import NotFoundException
from reconciler.providers.audit import KeepsAuditLog
from reconciler.providers.keys import KeyRequest

_ALWAYS = {
    *("eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress"),
    *("userAgent", "requestParameters", "responseElements", "requestID", "eventID", "readOnly", "resources"),
    *("eventType", "managementEvent", "eventCategory", "recipientAccountId"),
}


class KeepsAuditLogContract:
    """``KeepsAuditLog``."""

    @pytest.fixture
    def start(self, provider: Any) -> int:
        """The serial of the newest event before the test's own."""
        return max((serial for serial, _ in provider.audit_events()), default=0)

    def test_it_keeps_an_audit_log(self, provider: Any) -> None:
        assert isinstance(provider, KeepsAuditLog)

    def test_before_the_first_request_there_is_nothing_of_it(self, provider: Any, start: int) -> None:
        assert list(provider.audit_events(after=start)) == []
        assert provider.check_audit_log() == CheckedAudit(start, None)

    def test_each_request_is_one_event_in_the_public_shape(self, provider: Any, caller: Caller, start: int) -> None:
        key = provider.create_key(caller, KeyRequest(), token="key").arn
        sealed = provider.encrypt(caller, key, b"x", {"a": "b"})
        provider.decrypt(caller, sealed, {"a": "b"})
        with pytest.raises(NotFoundException):
            provider.encrypt(caller, "alias/none", b"x", {})
        found = [event for _, event in provider.audit_events(after=start)]
        assert [event["eventName"] for event in found] == ["CreateKey", "Encrypt", "Decrypt", "Encrypt"]
        assert all(event.keys() >= _ALWAYS for event in found)
        assert [event.get("errorCode") for event in found] == [None, None, None, "NotFoundException"]
        assert len({event["eventID"] for event in found}) == 4

    def test_serials_rise_and_the_last_is_where_to_go_on(self, provider: Any, caller: Caller) -> None:
        key = provider.create_key(caller, KeyRequest(), token="key").arn
        serials = [serial for serial, _ in provider.audit_events()]
        provider.encrypt(caller, key, b"x", {})
        newer = list(provider.audit_events(after=serials[-1]))
        assert [event["eventName"] for _, event in newer] == ["Encrypt"]
        assert newer[0][0] > serials[-1]

    def test_another_process_reads_what_was_answered(
        self, provider: Any, caller: Caller, reopened: Callable[[], Any], start: int
    ) -> None:
        key = provider.create_key(caller, KeyRequest(), token="key").arn
        provider.encrypt(caller, key, b"x", {})
        other = reopened()
        assert [event["eventName"] for _, event in other.audit_events(after=start)] == ["CreateKey", "Encrypt"]
        assert other.check_audit_log() == CheckedAudit(start + 2, None)

    def test_only_what_was_asked_for(self, provider: Any, caller: Caller, start: int) -> None:
        key = provider.create_key(caller, KeyRequest(), token="key").arn
        provider.encrypt(caller, key, b"x", {"table": "orders"})
        provider.encrypt(caller, key, b"x", {"table": "others"})
        for query, count in (
            (AuditQuery(event="Encrypt"), 2),
            (AuditQuery(context={"table": "orders"}), 1),
            (AuditQuery(key_arns=(key,), event="Encrypt", context={"table": "others"}), 1),
            (AuditQuery(denied=True), 0),
            (AuditQuery(principal=caller.principal), 3),
        ):
            assert len(list(provider.audit_events(after=start, query=query))) == count, query
