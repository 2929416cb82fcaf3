"""Reads an encrypted export with plain pyarrow: nothing of reconciler is imported, only its key service is asked.

    python examples/read_export.py flights-2013/flights --endpoint http://127.0.0.1:8700

``--endpoint`` is a running ``reconciler serve``; access key and Region are taken from where every AWS SDK takes them.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.dataset as ds  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.parquet.encryption as pe  # type: ignore[import-untyped]  # pyarrow ships no types
from botocore.exceptions import BotoCoreError, ClientError


class ServedKeys(pe.KmsClient):  # type: ignore[misc]  # pyarrow ships no types
    """A file's key is wrapped as text: base64 of the encryption context (JSON), a dot, base64 of the ciphertext."""

    def __init__(self, kms: Any) -> None:
        super().__init__()
        self._kms = kms

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
        """Wrapping is for whoever writes an export, which `reconciler export` does."""
        raise PermissionError("these keys are for reading only: write exports with `reconciler export`")

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        """The file's data key, by kms:Decrypt."""
        context, _, ciphertext = wrapped_key.rpartition(".")
        answer = self._kms.decrypt(
            KeyId=master_key_identifier,
            CiphertextBlob=base64.b64decode(ciphertext),
            EncryptionContext=json.loads(base64.b64decode(context)),
        )
        opened: bytes = answer["Plaintext"]
        return opened


# Threads of Arrow let go of a factory a little after a read has ended. Were theirs the last hold on it while Python
# ends, Arrow would abort the process ("terminate called without an active exception"): so factories are kept.
_FACTORIES: list[pe.CryptoFactory] = []


def dataset(folder: str, kms: Any) -> Any:
    """The table as a pyarrow dataset: columns and filters are pushed down, DuckDB and pandas take it as it is."""
    _FACTORIES.append(pe.CryptoFactory(lambda _: ServedKeys(kms)))
    how = ds.ParquetDecryptionConfig(_FACTORIES[-1], pe.KmsConnectionConfig(), pe.DecryptionConfiguration())
    form = ds.ParquetFileFormat(default_fragment_scan_options=ds.ParquetFragmentScanOptions(decryption_config=how))
    return ds.dataset(Path(folder), format=form)


def main(arguments: list[str] | None = None) -> int:
    """Print how many rows there are, and the first ones."""
    parser = argparse.ArgumentParser(description="Read an encrypted export of reconciler with pyarrow.")
    parser.add_argument("folder", help="a table of an export")
    parser.add_argument("--endpoint", required=True, help="where `reconciler serve` listens")
    parser.add_argument("--head", type=int, default=5, help="how many rows to print")
    said = parser.parse_args(arguments)
    try:
        table = dataset(said.folder, boto3.client("kms", endpoint_url=said.endpoint))
        rows, first = table.count_rows(), table.head(said.head).to_pylist()
    except (ClientError, BotoCoreError, OSError, ValueError, pa.ArrowException) as error:
        print(f"{said.folder} cannot be read: {refusal(error)}", file=sys.stderr)
        return 1
    print(f"{rows} rows", file=sys.stderr)
    for row in first:
        print(row)
    return 0


def refusal(error: Exception) -> str:
    """Why, in one line; whoever has no right to the key is told what would give it."""
    if isinstance(error, ClientError):
        code, said = error.response["Error"]["Code"], error.response["Error"]["Message"]
        if code == "AccessDeniedException":
            return f"{code}: {said}. Its key's policy, or a grant, has to allow you kms:Decrypt for this table."
        return f"{code}: {said}"
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
