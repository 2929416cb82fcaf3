"""Changes behind our back, as somebody with the providers' own tools would make them; none needs a clock to be seen."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import cast

from reconciler.model.address import Address
from reconciler.providers.data import Root, RootKind
from reconciler.providers.keys import HoldsPolicies, IssuesGrants, NamesKeys
from tests.campaign.checks import arn
from tests.campaign.declared import HERE, OWNED, PLAIN, Declared
from tests.campaign.looking import Looking


def _silent(text: str, done: int | None, total: int | None) -> None:
    """Progress that nobody reads."""


def disable_key(chance: random.Random, declared: Declared, seen: Looking) -> str | None:
    names = declared.usable()
    if not names:
        return None
    name = chance.choice(names)
    if chance.random() < 0.5:
        seen.keys(HERE).disable_key(seen.who, arn(seen, name))
        return f"{name} disabled"
    seen.keys(HERE).schedule_key_deletion(seen.who, arn(seen, name), waiting_days=7)
    return f"{name} scheduled for deletion"


def revoke_grant(chance: random.Random, declared: Declared, seen: Looking) -> str | None:
    names = [name for name in declared.usable() if declared.keys[name].grant]
    if not names:
        return None
    name = chance.choice(names)
    row = seen.session.attributes(Address(f"Grant/{name}"))
    cast(IssuesGrants, seen.keys(HERE)).revoke_grant(seen.who, str(row["key_arn"]), str(row["id"]))
    return f"grant on {name} revoked"


def retarget_alias(chance: random.Random, declared: Declared, seen: Looking) -> str | None:
    names, keys = list(declared.aliases), declared.usable()
    if not names or not keys:
        return None
    name, service = chance.choice(names), cast(NamesKeys, seen.keys(HERE))
    target = chance.choice(keys)
    if target == declared.aliases[name]:
        service.delete_alias(seen.who, f"alias/{name}")
        return f"alias {name} deleted"
    service.update_alias(seen.who, f"alias/{name}", arn(seen, target))
    return f"alias {name} retargeted"


def change_policy(chance: random.Random, declared: Declared, seen: Looking) -> str | None:
    names = [name for name in declared.usable() if declared.keys[name].policy]
    if not names:
        return None
    name, service = chance.choice(names), cast(HoldsPolicies, seen.keys(HERE))
    statement = {
        "Sid": "Behind",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
        "Action": ["kms:*", "kms:Decrypt"],
        "Resource": "*",
    }
    other = {"Sid": "More", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:DescribeKey", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement, other]}
    service.put_key_policy(seen.who, arn(seen, name), document)
    return f"policy of {name} widened"


def copying_off(chance: random.Random, declared: Declared, seen: Looking) -> str | None:
    if not declared.copying:
        return None
    name = chance.choice(list(declared.copying))
    seen.warehouse(HERE).disable_snapshot_copy(seen.who, name)
    return f"copying of {name} switched off"


def another_root(chance: random.Random, declared: Declared, seen: Looking) -> str | None:
    names = [name for name, one in declared.clusters.items() if not one.silent]
    if not names:
        return None
    name = chance.choice(names)
    root = chance.choice(sorted({OWNED, PLAIN, *declared.usable()} - {declared.clusters[name].root}))
    kinds = {OWNED: RootKind.OWNED, PLAIN: RootKind.NONE}
    wanted = Root(kind=kinds[root]) if root in kinds else Root(kind=RootKind.KMS, key_arn=arn(seen, root))
    token = f"behind/{chance.getrandbits(64)}"
    seen.warehouse(HERE).modify_encryption(seen.who, name, wanted, progress=_silent, token=token)
    return f"{name} put under {root}"


def table_key(chance: random.Random, declared: Declared, seen: Looking) -> str | None:
    names = [name for name, one in declared.tables.items() if not one.hidden]
    keys = declared.usable()
    if not names or not keys:
        return None
    name, key = chance.choice(names), chance.choice(keys)
    wanted = None if key == declared.tables[name].root else arn(seen, key)
    seen.tables.update_table_encryption(seen.who, "shop", name, wanted, token=f"behind/{chance.getrandbits(64)}")
    return f"table {name} put under {wanted or OWNED}"


BEHIND: tuple[Callable[[random.Random, Declared, Looking], str | None], ...] = (
    *(disable_key, disable_key, revoke_grant, retarget_alias, change_policy, copying_off, another_root, table_key),
)
