"""The Starlette application: its routes and its layers of middleware."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from server.http.access import AccessMiddleware
from server.http.api_keys import ApiKeys
from server.http.body_limit import BodyLimit
from server.http.paths import NotFound, RootPath
from server.http.problems import HANDLERS
from server.inference.explainer import Explainer
from server.inference.predictor import Predictor
from server.inference.served_model import ServedModel
from server.inference.shadow import Shadow, ShadowMiddleware
from server.model.classifier import Classifier
from server.monitoring.routes import Monitoring
from server.routes.feedback import FeedbackRoute
from server.routes.health import Health
from server.routes.inference_protocol import VERSION, InferenceProtocol
from server.routes.openapi import OpenApi
from server.routes.page import Page
from server.routes.predict import Routes
from server.settings import Settings
from server.swap import Swap
from server.telemetry.metrics import Metrics
from server.telemetry.population_stability import Stability

CORS: dict[str, Any] = {
    "allow_methods": ("GET", "POST"),
    "allow_headers": ("Authorization", "Content-Type", "X-API-Key", "X-Request-ID"),
    "expose_headers": ("Retry-After", "Server-Timing", "X-Execution-Provider", "X-Request-ID"),
}
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def create_app(
    classifier: Classifier, settings: Settings, unseen: Classifier | None = None
) -> Starlette:
    """Return the application; its `state` has what the listener needs. `unseen`: the shadow."""
    metrics, monitoring, stability = _observers(classifier, settings)
    stability.show(metrics)
    feedback = FeedbackRoute(classifier.metadata.classes, settings, metrics)
    observers = [monitoring.observe, stability.observe]
    observers += [feedback.observe] if settings.feedback else []
    predictor = Predictor(classifier, settings, metrics, observers=observers)
    health = Health(
        predictor,
        metrics,
        lambda classifier: [one.observe for one in _observers(classifier, settings)],
    )
    openapi = OpenApi(classifier.metadata, settings)
    shadow = Shadow(unseen, predictor, settings, metrics) if unseen else None
    health.shadow = monitoring.shadow = shadow

    def take_over(model: ServedModel) -> None:
        openapi.describe(model.metadata)
        feedback.classes = frozenset(model.metadata.classes)
        stability.compare_with(model.metadata.reference)
        stability.show(metrics)
        monitoring.classifier = model.classifier
        known.update(route.path.replace(VERSION, model.name) for route in paths)
        predictor.serve(model)
        if shadow:
            shadow.start_over()

    swap = Swap(predictor, health, settings, take_over)
    routes = Routes(predictor, Explainer(predictor), settings.max_batch_images)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await health.check()
        swap.start()
        yield
        await swap.close()
        if shadow:
            await shadow.close()
        await monitoring.close()
        predictor.close()
        feedback.close()

    async def exposition(_: Request) -> Response:
        return Response(metrics.exposition(), media_type=PROMETHEUS)

    protocol = InferenceProtocol(predictor, health, settings)
    paths = [
        Route("/", Page().page),
        Route("/predict", routes.predict, methods=["POST"]),
        Route("/predict_batch", routes.predict_batch, methods=["POST"]),
        Route("/explain", routes.explain, methods=["POST"]),
        Route("/classes", routes.classes),
        Route("/health", health.health),
        Route("/health/live", health.live),
        Route("/health/ready", health.ready),
        Route("/monitoring", monitoring.page),
        Route("/monitoring.json", monitoring.verdicts),
        Route("/metrics", exposition),
        Route("/openapi.json", openapi.openapi),
        *protocol.routes(),
    ]
    if settings.feedback:
        paths.append(Route("/feedback", feedback.feedback, methods=["POST"]))
    prefix = settings.root_path
    known = {route.path.replace(VERSION, classifier.name) for route in paths}
    layers = _layers(settings, known, health, metrics)
    if shadow:
        layers.insert(0, Middleware(ShadowMiddleware, shadow=shadow))
    app = Starlette(routes=paths, middleware=layers, exception_handlers=HANDLERS, lifespan=lifespan)
    app.router.redirect_slashes, app.router.default = False, NotFound(known, prefix)
    app.state.health, app.state.metrics, app.state.settings = health, metrics, settings
    app.state.predictor, app.state.swap = predictor, swap
    app.state.busy = lambda: predictor.stuck(0) or swap.busy or (shadow and shadow.busy)
    return app


def _observers(classifier: Classifier, settings: Settings) -> tuple[Metrics, Monitoring, Stability]:
    """Return what sees each answer; made anew for golden images, which are not counted."""
    metrics = Metrics()
    stability = Stability(classifier.metadata.reference, window=settings.monitoring_rows)
    return metrics, Monitoring(classifier, settings, metrics), stability


def _layers(
    settings: Settings, known: set[str], health: Health, metrics: Metrics
) -> list[Middleware]:
    """Return the middleware, the outermost first. `known`: the paths of all routes."""
    layers, prefix = [], settings.root_path
    if settings.trusted_proxies:
        trusted = list(settings.trusted_proxies)
        layers.append(Middleware(ProxyHeadersMiddleware, trusted_hosts=trusted))
    if prefix:
        layers.append(Middleware(RootPath, prefix=prefix, routes=known))
    layers.append(
        Middleware(
            AccessMiddleware,
            metrics=metrics,
            provider=health.predictor.model.classifier.provider,
            routes=known,
            draining=lambda: health.draining,
        )
    )
    if settings.cors_origins:
        layers.append(Middleware(CORSMiddleware, allow_origins=settings.cors_origins, **CORS))
    if settings.api_keys:
        layers.append(Middleware(ApiKeys, keys=settings.api_keys))
    layers.append(Middleware(BodyLimit, settings=settings))
    return layers
