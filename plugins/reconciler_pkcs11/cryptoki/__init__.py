"""A thin layer over a PKCS#11 module by ctypes: numbers, structures, calls. Standard library only.

It decides nothing: no login on opening, no logout on closing, no second try. What a call answers other than CKR_OK is a
``CkError`` with the function and the number. It runs in a worker (``reconciler_pkcs11.worker``), never in the process
that a user started.
"""
