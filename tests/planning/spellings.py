"""One world said in many ways: what it means stays, every choice that a writer has is drawn."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.commands.drifting import PROVIDERS

ACCOUNT = "111122223333"
DAY = 24 * 60
ROLES = [f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("app", "etl", "audit")]
ACTIONS = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:List*", "kms:CreateGrant"]
OPERATIONS = ["Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "RetireGrant"]
TYPES = ["int", "text", "bigint", "uuid", "boolean"]
WORDS = ["a", "b", "cost-centre", "12", "no", "1e3", "0x1f", "ünï"]


def whole_policy(draw: random.Random) -> dict[str, Any]:
    """A policy document in its plainest form: lists everywhere, sets of statements."""
    account = {
        "Effect": "Allow",
        "Principal": {"AWS": [f"arn:aws:iam::{ACCOUNT}:root"]},
        "Action": ["kms:*"],
        "Resource": ["*"],
    }
    statements = [account]
    for _ in range(draw.randrange(4)):
        statement: dict[str, Any] = {
            "Effect": draw.choice(["Allow", "Allow", "Deny"]),
            "Principal": {"AWS": draw.sample(ROLES, draw.randrange(1, 3))},
            "Action": draw.sample(ACTIONS, draw.randrange(1, 4)),
            "Resource": ["*"],
        }
        if statement["Effect"] == "Deny":
            statement["Principal"] = {"AWS": [ROLES[2]]}  # nobody whom anything here needs
        if draw.random() < 0.6:
            service = "redshift.eu-west-1.amazonaws.com"
            statement["Condition"] = {
                "StringEquals": {"kms:ViaService": [service], "kms:CallerAccount": [ACCOUNT]},
                **({"StringLike": {"kms:EncryptionContext:n": ["12", "*x"]}} if draw.random() < 0.5 else {}),
            }
        statements.append(statement)
    return {"Version": "2012-10-17", "Statement": statements}


@dataclass
class Meaning:
    """What is declared. ``arns`` are those of the keys, known once they were made."""

    every: int
    window: int
    tags: dict[str, str]
    description: str
    policy: dict[str, Any]
    operations: list[str]
    context: dict[str, str]
    columns: dict[str, str]
    static: list[str]
    arns: dict[str, str] = field(default_factory=dict)


def meaning(draw: random.Random) -> Meaning:
    """Drawn anew."""
    others = {f"c{number}": draw.choice(TYPES) for number in range(draw.randrange(1, 4))}
    return Meaning(
        every=draw.randrange(90, 400),
        window=draw.randrange(7, 31),
        tags={name: draw.choice(WORDS) for name in draw.sample(WORDS[:4], draw.randrange(4))},
        description=draw.choice([*WORDS, "two words: and a colon"]),
        policy=whole_policy(draw),
        operations=draw.sample(OPERATIONS, draw.randrange(1, 5)),
        context={name: draw.choice(WORDS) for name in draw.sample(["n", "m", "o"], draw.randrange(1, 4))},
        columns={"id": "int", "at": "timestamp", **others},
        static=draw.sample(sorted(others), draw.randrange(len(others) + 1)),
    )


def spelled(one: Meaning, draw: random.Random) -> str:
    """The manifests, in one of the ways to write them."""
    documents = [
        (
            "Key",
            "k",
            {"rotation": {"every": minutes(one.every * DAY, draw)}, "tags": shuffled(one.tags, draw)}
            | {"deletionWindow": minutes(one.window * DAY, draw), "description": one.description},
        ),
        ("KeyPolicy", "k", {"key": key("k", one, draw), "document": policy(one.policy, draw)}),
        ("Alias", "k", {"key": key("k", one, draw)}),
        (
            "Grant",
            "g",
            {
                "key": key("k", one, draw),
                "granteePrincipal": ROLES[0],
                "operations": mixed(one.operations, draw),
                "constraints": {"encryptionContextSubset": shuffled(one.context, draw)},
            },
        ),
        ("Keyspace", "shop", {"provider": "tb"}),
        (
            "Table",
            "t",
            {"provider": "tb", "keyspace": "shop", "schema": schema(one, draw)}
            | {"encryption": {"type": "CUSTOMER_MANAGED_KMS_KEY", "key": key("k", one, draw)}},
        ),
        (
            "Cluster",
            "c",
            {
                "provider": "dw",
                "nodeType": "ra3.large",
                "nodes": 1,
                "database": "dev",
                "encryption": {"key": key("k", one, draw), "rotation": {"every": minutes(one.every * DAY, draw)}},
            },
        ),
    ]
    return PROVIDERS + "".join(written(kind, name, spec, draw) for kind, name, spec in mixed(documents, draw))


def written(kind: str, name: str, spec: dict[str, Any], draw: random.Random) -> str:
    """One document, in flow or block style, its fields in any order."""
    body = {"provider": "kms", **spec}
    whole = {
        "apiVersion": "reconciler/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": shuffled(body, draw),
    }
    flow = draw.choice([True, False, None])
    text = yaml.safe_dump(
        shuffled(whole, draw),
        default_flow_style=flow,
        sort_keys=False,
        allow_unicode=True,
        width=draw.choice([40, 10_000]),
    )
    return f"---\n{text}"


def minutes(count: int, draw: random.Random) -> str:
    """A duration in one of its units."""
    return draw.choice([f"{count // DAY}d", f"{count // 60}h", f"{count}m"])


def key(name: str, one: Meaning, draw: random.Random) -> object:
    """The key by its name, by its ARN, or by its alias's."""
    if name not in one.arns or draw.random() < 0.4:
        return name
    arn = one.arns[name]
    return {"arn": draw.choice([arn, f"{arn.partition(':key/')[0]}:alias/{name}"])}


def policy(document: Mapping[str, Any], draw: random.Random) -> object:
    """The same set of statements, as somebody else would write it."""
    statements = [statement(one, number, draw) for number, one in enumerate(document["Statement"])]
    if draw.random() < 0.3:
        statements.append(statement(document["Statement"][0], 9, draw))
    said: dict[str, Any] = {"Version": document["Version"], "Statement": mixed(statements, draw)}
    if len(statements) == 1 and draw.random() < 0.5:
        said["Statement"] = statements[0]
    if draw.random() < 0.3:
        said["Id"] = f"policy {draw.randrange(9)}"
    return shuffled(said, draw)


def statement(one: Mapping[str, Any], number: int, draw: random.Random) -> dict[str, Any]:
    """A statement; its Sid, if any, tells nothing."""
    names = [draw.choice([name, ACCOUNT]) if name.endswith(":root") else name for name in one["Principal"]["AWS"]]
    said = {
        "Effect": one["Effect"],
        "Principal": {"AWS": scalar(names, draw)},
        "Action": scalar([cased(action, draw) for action in one["Action"]], draw),
        "Resource": scalar(one["Resource"], draw),
    }
    if "Condition" in one:
        said["Condition"] = {
            operator: {
                draw.choice([name, name.lower()]) if "Context" not in name else name: scalar(values, draw)
                for name, values in shuffled(keys, draw).items()
            }
            for operator, keys in shuffled(one["Condition"], draw).items()
        }
    if draw.random() < 0.5:
        said["Sid"] = f"Sid {number}-{draw.randrange(99)}"
    return shuffled(said, draw)


def schema(one: Meaning, draw: random.Random) -> dict[str, Any]:
    """The table's schema: the order of columns is none, ``varchar`` is ``text``, ASC is the default."""
    columns = [
        {"name": name, "type": draw.choice(["text", "varchar"]) if kind == "text" else kind}
        for name, kind in one.columns.items()
    ]
    said: dict[str, Any] = {
        "columns": mixed([shuffled(column, draw) for column in columns], draw),
        "partitionKey": ["id"],
        "clusteringKey": [draw.choice([{"name": "at"}, {"name": "at", "order": "ASC"}])],
    }
    if one.static or draw.random() < 0.5:
        said["static"] = mixed(one.static, draw)
    return shuffled(said, draw)


def cased(action: str, draw: random.Random) -> str:
    """An action in some case."""
    return draw.choice([action, action.lower(), action.upper()])


def scalar(values: Sequence[str], draw: random.Random) -> object:
    """A list in any order, with what stands in it twice; or its only value."""
    if len(values) == 1 and draw.random() < 0.5:
        return values[0]
    return mixed([*values, *([values[0]] if draw.random() < 0.2 else [])], draw)


def mixed(values: Sequence[Any], draw: random.Random) -> list[Any]:
    """In some order."""
    return draw.sample(list(values), len(values))


def shuffled(pairs: Mapping[str, Any], draw: random.Random) -> dict[str, Any]:
    """With its fields in some order."""
    return {name: pairs[name] for name in mixed(list(pairs), draw)}
