"""One key under its several names: an alias's ARN and the key's own are one key (CONTRACT 6)."""

from __future__ import annotations

from reconciler.errors import AccessDeniedException
from reconciler.model.ports import LocatesProviders, Services
from reconciler.providers.keys import NamesKeys
from reconciler.providers.plugin import KEYS
from reconciler.providers.typed import caller

_ALIAS = ":alias/"


def key_behind(arn: str, services: Services) -> str:
    """ARN of the key that an alias's ARN names now; any other ARN, and one that nobody here can look up, as it is."""
    parts = arn.split(":")
    if _ALIAS not in arn or len(parts) < 6 or not isinstance(services, LocatesProviders):
        return arn
    region, account, name = parts[3], parts[4], ":".join(parts[5:])
    for provider in services.providers_in(KEYS, account, region):
        service = services.provider(provider)
        if isinstance(service, NamesKeys):
            try:
                found = service.list_aliases(caller(services, provider), [name])
            except AccessDeniedException:
                continue
            if found:
                return f"{':'.join(parts[:5])}:key/{found[0].target_key_id}"
    return arn
