#!/usr/bin/env python3
"""What bench/hsm.py measures beside, each in a process of its own that prints its CPU seconds a call as JSON.

usage: bench/hsm_peers.py pkcs11 MODULE LABEL OPS     (the PIN is the first line of standard input)
       bench/hsm_peers.py pipe OPS

pkcs11: python-pkcs11 in one logged-in session, the key found once: a DEK encrypted by AES-GCM under a fresh nonce and
decrypted again. pipe: a frame of that size there and back between two processes, by the worker's own framing, with
nothing done in between.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from reconciler_pkcs11.worker import frames
from reconciler_pkcs11.worker.requests import Answer, Request

AAD = b"a" * 120
BLOB_BYTES = 78  # of a DEK under gcm
WARMING = 20


def bare(module: str, label: str, ops: int) -> dict[str, float]:
    """python-pkcs11, as directly as it goes."""
    import pkcs11
    from pkcs11 import Attribute, GCMParams, KeyType, Mechanism

    token = pkcs11.lib(module).get_token(token_label=label)
    with token.open(rw=True, user_pin=sys.stdin.readline().strip()) as session:
        key: Any = session.generate_key(  # its types do not say that such a key encrypts
            KeyType.AES,
            256,
            id=b"bench-key-of-ours",
            store=True,
            template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )
        dek = b"d" * 32
        sealed = key.encrypt(dek, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(b"n" * 12, AAD))
        made = {
            "find": cpu(lambda: session.get_key(id=b"bench-key-of-ours"), ops),
            "wrap": cpu(
                lambda: key.encrypt(
                    dek, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(session.generate_random(96), AAD)
                ),
                ops,
            ),
            "unwrap": cpu(
                lambda: key.decrypt(sealed, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(b"n" * 12, AAD)),
                ops,
            ),
        }
        key.destroy()
    return made


def pipe(ops: int) -> dict[str, float]:
    """Both ends' CPU of a round trip of frames."""
    here, there = socket.socketpair()
    with here, there:
        child = subprocess.Popen(
            [sys.executable, __file__, "echo", str(there.fileno())],
            pass_fds=(there.fileno(),),
            stdout=subprocess.PIPE,
            text=True,
        )
        there.close()
        fields = [b"k" * 32, b"gcm", b"d" * 32, AAD]

        def call() -> None:
            here.sendall(frames.encode(Request.WRAP, fields, 5000))
            frames.decode(frames.receive(here.recv_into))

        spent = cpu(call, ops)
        here.close()
        theirs = json.loads(child.communicate()[0])
    return {"pipe": spent + theirs["spent"] / (ops + WARMING)}


def echo(descriptor: int) -> dict[str, float]:
    """The other end: an answer to each frame, until there are no more."""
    channel = socket.socket(fileno=descriptor)
    began = time.process_time()
    with channel:
        while True:
            try:
                frames.decode(frames.receive(channel.recv_into))
            except frames.Ended:
                return {"spent": time.process_time() - began}
            channel.sendall(frames.encode(Answer.DONE, [b"b" * BLOB_BYTES], 0))


def cpu(call: Callable[[], object], ops: int) -> float:
    """CPU seconds of one call in this process, of so many."""
    for _ in range(WARMING):
        call()
    began = time.process_time()
    for _ in range(ops):
        call()
    return (time.process_time() - began) / ops


def main(arguments: list[str]) -> None:
    """See the module's docstring."""
    match arguments:
        case ["pkcs11", module, label, ops]:
            said = bare(module, label, int(ops))
        case ["pipe", ops]:
            said = pipe(int(ops))
        case ["echo", descriptor]:
            said = echo(int(descriptor))
        case _:
            sys.exit(__doc__)
    print(json.dumps(said))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    main(sys.argv[1:])
