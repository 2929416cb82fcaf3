"""The manifest that would declare a table as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.resources.declared_again import reference, said
from reconciler.resources.kind import ManifestInput
from reconciler.resources.table.observe import SchemaObservation, TableObservation


def manifest(given: ManifestInput[TableObservation]) -> Mapping[str, Any]:
    """The fields."""
    observed = given.observed
    keyspace_arn = observed.arn.partition("/table/")[0] + "/"
    encryption: dict[str, Any] = {"type": "AWS_OWNED_KMS_KEY"}
    if observed.key_arn is not None:
        encryption = {"type": "CUSTOMER_MANAGED_KMS_KEY", "key": reference(given, "Key", observed.key_arn)}
    return {
        "keyspace": reference(given, "Keyspace", keyspace_arn),
        "schema": _schema(observed.table_schema),
        "encryption": encryption,
    }


def _schema(schema: SchemaObservation) -> dict[str, Any]:
    return said(
        {
            "columns": [{"name": name, "type": cql} for name, cql in schema.columns],
            "partitionKey": list(schema.partition_key),
            "clusteringKey": [{"name": name, "order": order} for name, order in schema.clustering_key],
            "static": list(schema.static),
        },
        clusteringKey=[],
        static=[],
    )
