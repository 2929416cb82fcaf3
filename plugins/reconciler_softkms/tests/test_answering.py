"""The software KMS on the network does what every key service there must do."""

from __future__ import annotations

from reconciler.testing.requests_contract import AnswersRequestsContract


class TestSoftKms(AnswersRequestsContract):
    pass
