"""A partition at another machine: the worker's protocol over mutual TLS 1.3 (HS1, HS4, HS5).

``remote`` is our side, a ``Partition`` like any other; ``agent`` is the side beside the HSM. Between them go frames
(``frames``) that hold one message each (``messages``). Each side knows the other's certificate itself and nothing else
lets anybody in. There is no message that exports a key.
"""
