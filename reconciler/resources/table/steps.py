"""How a table is changed. Each call repeats safely, given the step's token (I11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.errors import ConflictException, InvalidRequestException
from reconciler.model.change import Outcome
from reconciler.model.ports import Services, StepServices
from reconciler.providers.tables import TableDescription, TableProvider, TableRequest, TableSchema
from reconciler.providers.typed import table_provider
from reconciler.resources.key_calls import KeyCall, root_calls
from reconciler.resources.kind import ResourceStep
from reconciler.resources.reference import Reference


@dataclass(frozen=True, kw_only=True)
class TableStep(ResourceStep):
    """A call about one table of one table service."""

    table: str

    def tables(self, services: StepServices) -> TableProvider:
        """The table service."""
        return table_provider(services, self.provider)

    def described(self, services: StepServices, keyspace: str) -> TableDescription | None:
        """The table as it is now, None when it is gone."""
        found = self.tables(services).describe_tables(self.caller(services), [(keyspace, self.table)])
        return found[0] if found else None


@dataclass(frozen=True, kw_only=True)
class CreateTable(TableStep):
    """A new table with a table key of its own, and its grant under a customer-managed key (KS1, KS5)."""

    keyspace: Reference
    table_schema: TableSchema
    key: Reference | None

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        keyspace = self.keyspace.name_in(services)
        return root_calls(services, self.provider, self.key, "table", f"{keyspace}.{self.table}")

    def run(self, services: StepServices) -> Outcome:
        request = TableRequest(
            keyspace=self.keyspace.name_in(services),
            name=self.table,
            schema=self.table_schema,
            key_arn=None if self.key is None else self.key.arn_in(services),
        )
        made = self.tables(services).create_table(self.caller(services), request, token=services.token)
        return Outcome(attributes=identity_of(made))


@dataclass(frozen=True, kw_only=True)
class SwitchTableKey(TableStep):
    """The table key wrapped under another key, or the owned one (KS2); data stay as they are."""

    keyspace: str
    key: Reference | None

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        return root_calls(services, self.provider, self.key, "table", f"{self.keyspace}.{self.table}")

    def run(self, services: StepServices) -> Outcome:
        key_arn = None if self.key is None else self.key.arn_in(services)
        changed = self.tables(services).update_table_encryption(
            self.caller(services), self.keyspace, self.table, key_arn, token=services.token
        )
        return Outcome(attributes={"key_arn": changed.key_arn})


@dataclass(frozen=True, kw_only=True)
class VerifyTableKey(TableStep):
    """Reads back that the table is under the key that was asked for (I10)."""

    keyspace: str
    key: Reference | None

    def run(self, services: StepServices) -> Outcome:
        key_arn = None if self.key is None else self.key.arn_in(services)
        found = self.described(services, self.keyspace)
        if found is None or found.key_arn != key_arn:
            state = "gone" if found is None else f"under {found.key_arn or 'the owned key'}"
            raise InvalidRequestException(
                f"{self.address} is {state} after its switch of key, not under {key_arn or 'the owned key'}",
                address=self.address,
                suggestion="Apply again: an unfinished switch is taken up where it stopped.",
            )
        return Outcome(attributes={"key_arn": key_arn})


@dataclass(frozen=True, kw_only=True)
class DeleteTable(TableStep):
    """The table, its key and its grant go (KS5). Only the table that it was planned on (I12)."""

    keyspace: str
    uid: str

    def run(self, services: StepServices) -> Outcome:
        found = self.described(services, self.keyspace)
        if found is not None and found.uid != self.uid:
            raise ConflictException(
                f"another table is called {self.keyspace}.{self.table} now; it is left alone",
                address=self.address,
                suggestion=f"`reconciler state rm {self.address}` forgets the one that is gone.",
            )
        self.tables(services).delete_table(self.caller(services), self.keyspace, self.table)
        return Outcome(gone=True)


def identity_of(made: TableDescription) -> dict[str, str | None]:
    """What the state records of a new table."""
    return {
        "id": made.arn,
        "arn": made.arn,
        "name": made.name,
        "keyspace": made.keyspace,
        "uid": made.uid,
        "key_arn": made.key_arn,
    }
