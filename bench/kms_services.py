"""The two key services that bench/kms.py calls: ours in process, and moto's in process."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from reconciler.access.caller import Caller
from reconciler.host.clock import SystemClock, SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler.providers.keys import GrantRequest, KeyRequest
from reconciler.providers.plugin import ProviderServices
from reconciler.testing.no_other import NoOther
from reconciler_softkms import SoftKms
from reconciler_softkms.config import SoftKmsConfig

ACCOUNT = "111122223333"
REGION = "eu-west-1"
ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:role/platform"
SERVICE = f"cassandra.{REGION}.amazonaws.com"
CONTEXT = {
    "aws:cassandra:keyspaceName": "shop",
    "aws:cassandra:tableName": "orders",
    "aws:cassandra:subscriberId": ACCOUNT,
}
PLAINTEXT = b"k" * 32
OPERATIONS = ("DescribeKey", "GenerateDataKey", "Decrypt", "Encrypt", "ReEncryptFrom", "ReEncryptTo", "RetireGrant")
POLICY: Mapping[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "administers",
            "Effect": "Allow",
            "Principal": {"AWS": ADMINISTRATOR},
            "Action": "kms:*",
            "Resource": "*",
        },
        {
            "Sid": "through the table service",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/db-lead"},
            "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:CreateGrant"],
            "Resource": "*",
            "Condition": {"StringLike": {"kms:ViaService": "cassandra.*.amazonaws.com"}},
        },
    ],
}


def cpu_of(call: Callable[[], object], count: int) -> float:
    """CPU seconds of one call, of so many."""
    began = time.process_time()
    for _ in range(count):
        call()
    return (time.process_time() - began) / count


class Ours:
    """A table service at work: a key with a policy that does not name it, and a grant bound to the table's context."""

    def __init__(self, home: Path) -> None:
        services = ProviderServices(
            name="kms",
            account=ACCOUNT,
            region=REGION,
            principal=ADMINISTRATOR,
            home=home,
            fs=OsFs(),
            clock=SystemClock(),
            random=SystemRandom(),
        )
        self._kms = SoftKms(SoftKmsConfig(), services, NoOther())
        self._administrator = Caller(principal=ADMINISTRATOR, account=ACCOUNT)
        self._service = Caller(principal=SERVICE, account=ACCOUNT)
        self._keys = [self._add_key("key")]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kms.close()

    def calls(self) -> dict[str, Callable[[], object]]:
        """One call of each operation."""
        kms, service, key = self._kms, self._service, self._keys[0]
        wrapped = kms.generate_data_key(service, key, CONTEXT).wrapped
        return {
            "GenerateDataKey": lambda: kms.generate_data_key(service, key, CONTEXT),
            "Encrypt": lambda: kms.encrypt(service, key, PLAINTEXT, CONTEXT),
            "Decrypt": lambda: kms.decrypt(service, wrapped, CONTEXT),
        }

    def add_grants(self, count: int) -> None:
        """So many more grants on the key, one for each of so many tables."""
        for number in range(count):
            self._grant(self._keys[0], CONTEXT | {"aws:cassandra:tableName": f"table-{number}"})

    def add_keys(self, count: int) -> None:
        """So many more keys, each with its grant."""
        self._keys += [self._add_key(f"key-{number}") for number in range(count)]

    def decrypts_of_all(self) -> Callable[[], object]:
        """Decrypts under every key in turn."""
        kms, service = self._kms, self._service
        wrapped = itertools.cycle([kms.generate_data_key(service, key, CONTEXT).wrapped for key in self._keys])
        return lambda: kms.decrypt(service, next(wrapped), CONTEXT)

    def _add_key(self, token: str) -> str:
        key = self._kms.create_key(self._administrator, KeyRequest(policy=POLICY), token=token).arn
        self._grant(key, CONTEXT)
        return key

    def _grant(self, key: str, context: Mapping[str, str]) -> None:
        request = GrantRequest(
            key_id=key,
            grantee_principal=SERVICE,
            retiring_principal=SERVICE,
            operations=OPERATIONS,
            context_subset=context,
        )
        self._kms.create_grant(self._administrator, request)


class Moto:
    """moto's KMS through boto3, in this process."""

    def __init__(self) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            os.environ[name] = "testing"
        import boto3
        from moto import mock_aws

        self._mock = mock_aws()
        self._mock.start()
        self._kms = boto3.client("kms", region_name=REGION)
        self._key = self._kms.create_key()["KeyMetadata"]["KeyId"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._mock.stop()

    def calls(self) -> dict[str, Callable[[], object]]:
        """One call of each operation."""
        kms, key = self._kms, self._key
        sealed = kms.encrypt(KeyId=key, Plaintext=PLAINTEXT, EncryptionContext=CONTEXT)["CiphertextBlob"]
        return {
            "GenerateDataKey": lambda: kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=CONTEXT),
            "Encrypt": lambda: kms.encrypt(KeyId=key, Plaintext=PLAINTEXT, EncryptionContext=CONTEXT),
            "Decrypt": lambda: kms.decrypt(CiphertextBlob=sealed, EncryptionContext=CONTEXT),
        }
