"""What Prometheus may ask: https://prometheus.io/docs/practices/naming/."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from server.predictions.prediction import Prediction

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each, of no use to anybody here

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SHARES = tuple(tenth / 10 for tenth in range(1, 11))
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The counters, gauges and histograms of one server, in a registry of their own."""

    def __init__(self) -> None:
        """Start all of them at zero."""
        self.registry = registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(name, meaning, labels, registry=registry)

        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            return Gauge(name, meaning, labels, registry=registry)

        def histogram(
            name: str, meaning: str, *labels: str, buckets: tuple[float, ...] = SECONDS
        ) -> Histogram:
            return Histogram(name, meaning, labels, buckets=buckets, registry=registry)

        self.requests = counter("http_requests", "Requests answered.", "route", "status")
        self.seconds = histogram(
            "http_request_duration_seconds", "From head to end of the answer.", "route"
        )
        self.errors = counter("http_errors", "Requests and images refused or failed.", "reason")
        self.batch_requests = counter("prediction_batch_requests", "Requests to /predict_batch.")

        self.queue = histogram("prediction_queue_seconds", "Waiting for the network, an image.")
        self.decode = histogram("prediction_decode_seconds", "Bytes to pixels, an image.")
        self.infer = histogram("prediction_infer_seconds", "A run of the network.")
        self.depth = gauge("prediction_queue_depth", "Images under way.")
        self.batch_size = histogram(
            "prediction_batch_size", "Images a run of the network took.", buckets=SIZES
        )

        self.predictions = counter("predictions", "Answers by predicted class.", "class")
        self.abstentions = counter("prediction_abstentions", "Answers below the threshold.")
        self.confidence = histogram(
            "prediction_confidence", "Probability of the predicted class.", buckets=SHARES
        )
        self.brightness = histogram("image_brightness", "Mean luma, 0 to 1.", buckets=SHARES)
        self.contrast = histogram(
            "image_contrast", "Standard deviation of the luma, 0 to 1.", buckets=SHARES[:5]
        )

        self.stability = gauge(
            "drift_population_stability_index", "Of the last predictions, to validation.", "column"
        )
        self.share_drifted = gauge(
            "drift_share", "Share of columns whose stability index is beyond chance."
        )
        self.window = gauge("drift_window_predictions", "How many predictions these two are of.")
        self.report_drifted = gauge("monitoring_share_drifted", "As the last /monitoring has it.")
        self.report_drifted.set(float("nan"))

        self.model = gauge(
            "model_info", "What is served.", "model", "architecture", "precision", "revision"
        )
        self.provider = gauge("execution_provider_info", "Where it runs.", "provider")
        self.fallback = gauge("execution_provider_fallback", "1: on the CPU for want of CUDA.")
        self.ready = gauge("server_ready", "1: takes traffic.")
        self.log_failures = counter("prediction_log_failures", "Rows that could not be logged.")

    def observe(self, prediction: Prediction) -> None:
        """Count an answer."""
        self.queue.observe(prediction.milliseconds["queue"] / 1000)
        self.decode.observe(prediction.milliseconds["decode"] / 1000)
        self.predictions.labels(prediction.name).inc()
        self.confidence.observe(prediction.confidence)
        self.abstentions.inc(prediction.abstain)
        self.brightness.observe(prediction.picture.features["brightness"])
        self.contrast.observe(prediction.picture.features["contrast"])

    def observe_batch(self, images: int, seconds: float) -> None:
        """Count a run of the network."""
        self.batch_size.observe(images)
        self.infer.observe(seconds)

    def exposition(self) -> bytes:
        """Return all of them in Prometheus's text format."""
        return generate_latest(self.registry)
