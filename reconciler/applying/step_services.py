"""What a step and a read-back may touch while an apply runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from reconciler.model.ports import Services
from reconciler.providers.census import TakesCensus
from reconciler.providers.key_access import Dependents, KnowsDependents
from reconciler.providers.secret_source import PermitsCommands
from reconciler.resources.key_calls import FindsKeys
from reconciler.resources.live_services import Attributes, LiveServices


class OneStep(LiveServices):
    """``StepServices`` for one step."""

    def __init__(
        self,
        services: Services,
        attributes: Attributes,
        *,
        token: str,
        census: TakesCensus,
        report: Callable[[str, int | None, int | None], None],
    ) -> None:
        super().__init__(services, attributes)
        self._token = token
        self._census = census
        self._report = report

    @property
    def token(self) -> str:
        """See ``StepServices.token``."""
        return self._token

    def key_uses(self, key_arn: str, grant_id: str | None = None) -> Sequence[str]:
        """See ``StepServices.key_uses``."""
        census = self._census(key_arn)
        named = [f"{use.what} {use.name}" for use in census.of(key_arn) if grant_id is None or use.grant_id == grant_id]
        return [*named, *(f"whatever {name} holds, which cannot be asked" for name in census.unreachable)]

    def dependents(self, key_arn: str) -> Dependents:
        """See ``KnowsDependents.dependents``."""
        return self._services.dependents(key_arn) if isinstance(self._services, KnowsDependents) else Dependents()

    def key_service_of(self, arn: str) -> str | None:
        """See ``FindsKeys.key_service_of``."""
        return self._services.key_service_of(arn) if isinstance(self._services, FindsKeys) else None

    def permitted_commands(self) -> Collection[tuple[str, ...]]:
        """See ``PermitsCommands.permitted_commands``."""
        return self._services.permitted_commands() if isinstance(self._services, PermitsCommands) else ()

    def progress(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """See ``StepServices.progress``."""
        self._report(text, done, total)
