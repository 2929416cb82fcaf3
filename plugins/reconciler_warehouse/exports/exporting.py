"""Tables written as files that other tools read: Parquet, in clear or under Parquet Modular Encryption.

Each file has a data key of its own, generated and wrapped by the key service on the caller's behalf under a context
that names cluster, table, export and part; the same is the file's AAD prefix, so that a file that is called otherwise
is noticed. Rows flow in bounded memory. ``_export.json`` beside the tables lists what was written (tools pass over
names that begin with ``_``).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from reconciler.access.caller import Caller
from reconciler.errors import (
    AlreadyExistsException,
    HostError,
    ServiceError,
    ValidationException,
)
from reconciler.host import durable
from reconciler.host.new_folder import new_folder
from reconciler.providers.data import Progress
from reconciler.providers.warehouse import ExportedTable, ExportForm
from reconciler_warehouse.exports.export_files import ExportedFile, FileKey, row_groups
from reconciler_warehouse.exports.modular_encryption import WrappedKey
from reconciler_warehouse.loading.sources import SourceFile
from reconciler_warehouse.names import ARN_PAIR, SERVICE, cluster_arn
from reconciler_warehouse.queries.table_reading import Table, reading_tables
from reconciler_warehouse.site import Site

LISTING: Final = "_export.json"
TABLE_PAIR: Final = "reconciler:table"
EXPORT_PAIR: Final = "reconciler:export"
PART_PAIR: Final = "reconciler:part"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Export:
    site: Site
    caller: Caller
    cluster: str
    uid: str
    folder: Path
    key_id: str | None
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    path: str
    rows: int
    bytes: int
    sha256: str


def export(
    site: Site,
    caller: Caller,
    name: str,
    tables: Sequence[str],
    folder: Path,
    *,
    form: ExportForm,
    key_id: str | None,
    progress: Progress,
) -> list[ExportedTable]:
    """See ``ExportsTables.export_tables``."""
    if (key_id is None) is not (form is ExportForm.PARQUET):
        raise ValidationException(f"An export as {form} {'needs a key' if key_id is None else 'has no key'}")
    try:
        with reading_tables(site, name, tables) as found, new_folder(site.fs, folder) as making:
            told = _Export(
                site=site,
                caller=caller,
                cluster=cluster_arn(site.region, site.account, name),
                uid=site.uid(),
                folder=making,
                key_id=key_id,
                progress=progress,
            )
            written = {one.name: list(_write(told, one)) for one in found}
            listing = _listing(told, form, written)
            durable.write_new(site.fs, making / LISTING, [json.dumps(listing, indent=2).encode() + b"\n"])
    except FileExistsError:
        raise AlreadyExistsException(
            f"{folder} is there already; nothing was written", suggestion="Name a folder that is not there yet."
        ) from None
    return [
        ExportedTable(
            name=table,
            rows=sum(part.rows for part in parts),
            bytes=sum(part.bytes for part in parts),
            files=tuple(part.path for part in parts),
        )
        for table, parts in written.items()
    ]


def _write(told: _Export, table: Table) -> Iterator[_Part]:
    """A table's files, each durable and opened again before the next."""
    told.site.fs.mkdir(told.folder / table.name)
    tables = row_groups(table.batches(), table.schema)
    first = next(tables, None)
    for number in itertools.count():
        remaining: Iterable[Any] = () if first is None else itertools.chain([first], tables)
        yield _write_part(told, table, number, remaining)
        table.check()
        first = next(tables, None)
        if first is None:
            return


def _write_part(told: _Export, table: Table, number: int, tables: Iterable[Any]) -> _Part:
    path = f"{table.name}/part-{number:05d}.parquet"
    with _file_key(told, table.name, number) as key:
        file = ExportedFile(table.schema, key)
        durable.write_new(told.site.fs, told.folder / path, file.chunks(tables))
        try:
            with SourceFile(told.site.fs, told.folder / path) as source:
                file.check(source)
        except ValueError as error:
            raise HostError(
                f"{path} was written, and is not what was written: {error}", suggestion="Try another disk."
            ) from None
    told.progress(f"{file.rows} rows in {path}", None, None)
    return _Part(path=path, rows=file.rows, bytes=file.size, sha256=file.sha256)


@contextmanager
def _file_key(told: _Export, table: str, number: int) -> Iterator[FileKey | None]:
    """A data key for one file, wiped at the end."""
    if told.key_id is None:
        yield None
        return
    context = {ARN_PAIR: told.cluster, TABLE_PAIR: table, EXPORT_PAIR: told.uid, PART_PAIR: str(number)}
    try:
        made = told.site.keys.generate_data_key(told.caller.via(SERVICE), told.key_id, context)
    except ServiceError as error:
        raise type(error)(
            f"No data key for {table}: {error.summary}",
            detail=error.detail,
            suggestion=error.suggestion or "Name a key that you may use for kms:GenerateDataKey.",
        ) from error
    with made.plaintext as key:
        yield FileKey(
            key=key,
            wrapped=WrappedKey(made.wrapped, context),
            key_arn=made.key_arn,
            prefix=f"{told.cluster}/{table}/{told.uid}/{number}",
        )


def _listing(told: _Export, form: ExportForm, written: dict[str, list[_Part]]) -> dict[str, Any]:
    return {
        "formatVersion": 1,
        "cluster": told.cluster,
        "export": told.uid,
        "exportedAt": told.site.now().isoformat(),
        "form": str(form),
        "key": told.key_id,
        "tables": [
            {
                "name": table,
                "files": [
                    {"path": one.path, "rows": one.rows, "bytes": one.bytes, "sha256": one.sha256} for one in parts
                ],
            }
            for table, parts in written.items()
        ],
    }
