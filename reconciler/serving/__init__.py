"""The key service on the network: the public wire protocol in front of the door that in-process callers use.

What belongs here: who signed a request, which key service it is for, how answers and refusals are spelled on the wire,
and what keeps a client from holding the server up. What an operation does belongs to the provider, which is asked
through ``providers.requests``. Starlette, uvicorn and prometheus-client come with the extra ``serve`` and are imported
by ``app``, ``metrics``, ``patience`` and ``server`` alone.
"""
