"""What another program does with a token, in a process of its own: makes objects that are not ours, or says what is
there. Reads a JSON list of orders by standard input, the first of which opens; answers with a JSON list."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconciler_pkcs11.tests.tokens import Tokens


def elsewhere(tokens: Tokens, name: str, *orders: dict[str, Any]) -> list[Any]:
    """What the orders give, one after another, at the token of that name."""
    token, module = tokens[name], tokens.module_of(name)
    first = {"module": str(module.path), "label": token.label, "pin": token.pin}
    done = subprocess.run(
        [sys.executable, "-I", __file__],
        input=json.dumps([first, *orders]).encode(),
        env={"PATH": "/usr/bin:/bin", **module.environment},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()[-1000:]
    answers: list[Any] = json.loads(done.stdout)
    return answers


def run(orders: Sequence[dict[str, Any]]) -> list[Any]:
    """``create``: a key of that value, label and id (hex), with attributes ``uses`` true; ``count``: how many objects
    have that id."""
    from reconciler_pkcs11.cryptoki.constants import Attribute, KeyType, ObjectClass
    from reconciler_pkcs11.token.opened import open_token

    opened = open_token(orders[0]["module"], orders[0]["label"], None)
    opened.log_in(bytearray(orders[0]["pin"].encode()))
    answers: list[Any] = []
    with opened.session(read_write=True) as session:
        for order in orders[1:]:
            if order["do"] == "create":
                template: dict[int, bool | int | bytes] = {
                    Attribute.CLASS: ObjectClass.SECRET_KEY,
                    Attribute.KEY_TYPE: KeyType.GENERIC_SECRET if order.get("generic") else KeyType.AES,
                    Attribute.TOKEN: True,
                    Attribute.PRIVATE: True,
                    Attribute.LABEL: bytes.fromhex(order["label"]),
                    Attribute.ID: bytes.fromhex(order["id"]),
                    Attribute.VALUE: bytes.fromhex(order["value"]),
                    Attribute.SENSITIVE: order.get("sensitive", True),
                    Attribute.EXTRACTABLE: order.get("extractable", False),
                    **{int(number): True for number in order.get("uses", [])},
                }
                session.create(template)
                answers.append(None)
            else:
                answers.append(len(session.find({Attribute.ID: bytes.fromhex(order["id"])})))
    return answers


if __name__ == "__main__":
    package = types.ModuleType("reconciler_pkcs11")
    package.__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
    sys.modules["reconciler_pkcs11"] = package
    json.dump(run(json.load(sys.stdin)), sys.stdout)
