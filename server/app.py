"""The application: what is reached by which path, through which layers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from server.http.access import AccessMiddleware
from server.http.api_keys import ApiKeys
from server.http.body_limit import BodyLimit
from server.http.problems import HANDLERS
from server.inference.explainer import Explainer
from server.inference.predictor import Predictor
from server.model.classifier import Classifier
from server.monitoring.routes import Monitoring
from server.routes.health import Health
from server.routes.openapi import OpenApi
from server.routes.page import Page
from server.routes.predict import Routes
from server.settings import Settings
from server.telemetry.metrics import Metrics
from server.telemetry.population_stability import Stability

EXPOSED = ("Retry-After", "Server-Timing", "X-Execution-Provider", "X-Request-ID")
ALLOWED = ("Authorization", "Content-Type", "X-API-Key", "X-Request-ID")


def create_app(classifier: Classifier, settings: Settings) -> Starlette:
    """Return the application; its `state` has what the listener needs."""
    metrics = Metrics()
    predictor = Predictor(classifier, settings, metrics)
    health, routes = Health(predictor), Routes(predictor, Explainer(predictor))
    monitoring = Monitoring(classifier, settings, metrics)
    stability = Stability(classifier.metadata.reference, window=settings.monitoring_rows)
    predictor.observers += [monitoring.observe, stability.observe]
    stability.show(metrics)
    _announce(metrics, predictor, health)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await health.check()
        yield
        await monitoring.close()
        predictor.close()

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
        Route("/metrics", routes.metrics),
        Route("/openapi.json", OpenApi(classifier.metadata, settings).openapi),
    ]
    layers = [
        Middleware(
            AccessMiddleware,
            metrics=metrics,
            provider=classifier.provider,
            routes={route.path for route in paths},
            ending=lambda: health.draining,
        )
    ]
    if settings.cors_origins:
        layers.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=["GET", "POST"],
                allow_headers=ALLOWED,
                expose_headers=EXPOSED,
            )
        )
    if settings.api_keys:
        layers.append(Middleware(ApiKeys, keys=settings.api_keys))
    layers.append(
        Middleware(
            BodyLimit,
            limit=settings.max_body_bytes,
            patience=settings.body_timeout,
            room=settings.max_held_bytes,
        )
    )
    app = Starlette(routes=paths, middleware=layers, exception_handlers=HANDLERS, lifespan=lifespan)
    app.state.health, app.state.metrics, app.state.settings = health, metrics, settings
    return app


def _announce(metrics: Metrics, predictor: Predictor, health: Health) -> None:
    """Set what does not change, and tie the gauges to what they show."""
    classifier = predictor.classifier
    card, revision = classifier.metadata, predictor.settings.revision
    metrics.model.labels(classifier.name, card.architecture, card.precision, revision).set(1)
    metrics.provider.labels(classifier.provider).set(1)
    metrics.fallback.set(classifier.fallback is not None)
    metrics.depth.set_function(lambda: predictor.admission.depth)
    metrics.ready.set_function(lambda: not (health.draining or health.problem))
