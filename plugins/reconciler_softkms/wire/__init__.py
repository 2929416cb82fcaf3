"""The public operations as clients write them: each request's form, checked, and its answer in the public names.

``request`` has the fields that requests share, ``answering`` takes a request through; beside them a module a subject,
whose ``OPERATIONS`` say which form and which function an operation has. What an operation does is in
``reconciler_softkms.operations``.
"""
