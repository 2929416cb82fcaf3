"""The application: the endpoint, what operators ask of it, and, for test suites alone, its reset."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.model.ports import Clock, Random
from reconciler.serving.answering import Answering
from reconciler.serving.credentials import Credentials
from reconciler.serving.key_services import KeyServices
from reconciler.serving.limits import Limits
from reconciler.serving.metrics import CONTENT_TYPE, Metrics
from reconciler.serving.replays import Replays
from reconciler.serving.wire import Wire


def make_app(
    services: KeyServices,
    credentials: Credentials,
    replays: Replays,
    workers: ThreadPoolExecutor,
    *,
    clock: Clock,
    random: Random,
    limits: Limits,
    report: Callable[[str], None],
    reset: Callable[[], None] | None = None,
) -> ASGIApp:
    """The ASGI application. With ``reset``, POST /_reset does it while no request is being answered."""
    metrics = Metrics()
    wire = Wire(Answering(services, credentials, replays, clock, report), workers, metrics, random, limits)

    async def show_metrics(request: Request) -> Response:
        return Response(metrics.page(wire.running), headers={"content-type": CONTENT_TYPE})

    def show_health(request: Request) -> Response:
        problems = services.problems()
        return JSONResponse(
            {"status": "unhealthy", "problems": problems} if problems else {"status": "ok"},
            status_code=503 if problems else 200,
        )

    routes: list[BaseRoute] = [Route("/metrics", show_metrics), Route("/healthz", show_health)]
    if reset is not None:
        to_do = reset

        async def do_reset(request: Request) -> Response:
            await wire.alone(to_do)
            return JSONResponse({"status": "ok"})

        routes.append(Route("/_reset", do_reset, methods=["POST"]))
    beside = Starlette(routes=[*routes, Mount("/", app=wire)])

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        # What clients ask goes straight to its end: the routing would be a tenth of its cost.
        await (wire if scope["type"] == "http" and scope["path"] == "/" else beside)(scope, receive, send)

    return front
