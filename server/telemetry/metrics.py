"""Prometheus metrics, named after https://prometheus.io/docs/practices/naming/."""

from collections.abc import Iterable
from functools import cache, partial

import prometheus_client as prometheus
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from server.predictions.feedback import Feedback
from server.predictions.prediction import Prediction
from server.telemetry.stderr import STDERR

prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each, of no use to anybody here

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SHARES = tuple(tenth / 10 for tenth in range(1, 11))
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The counters, gauges and histograms of one server, in a registry of their own.

    What happens again and again is counted by the methods `observe...`.
    """

    def __init__(self) -> None:
        self.registry = registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=registry)
        prometheus.GCCollector(registry=registry)
        counter = partial(prometheus.Counter, registry=registry)
        gauge = partial(prometheus.Gauge, registry=registry)
        times = partial(prometheus.Histogram, registry=registry, buckets=SECONDS)
        shares = partial(prometheus.Histogram, registry=registry, buckets=SHARES)
        sizes = partial(prometheus.Histogram, registry=registry, buckets=SIZES)

        self._of_answers = cache(self._of)
        self.requests = counter("http_requests", "Requests answered.", ("route", "status"))
        self.seconds = times("http_request_duration_seconds", "From head to end.", ("route",))
        self.errors = counter("http_errors", "Requests and images refused or failed.", ("reason",))
        self.batch_requests = counter("prediction_batch_requests", "Requests to /predict_batch.")

        self.queue = times("prediction_queue_seconds", "Waiting for the network, an image.")
        self.decode = times("prediction_decode_seconds", "Bytes to pixels, an image.")
        self.infer = times("prediction_infer_seconds", "A run of the network.")
        self.depth = gauge("prediction_queue_depth", "Images under way.")
        self.decoding = gauge("prediction_decoding_bytes", "Memory that decoding has been given.")
        self.stuck = gauge("prediction_stuck_threads", "At one batch for over three deadlines.")
        self.batch_size = sizes("prediction_batch_size", "Images a run of the network took.")

        self.predictions = counter("predictions", "Answers by predicted class.", ("class",))
        self.abstentions = counter("prediction_abstentions", "Answers below the threshold.")
        self.confidence = shares("prediction_confidence", "Probability of the predicted class.")
        self.brightness = shares("image_brightness", "Mean luma, 0 to 1.")
        self.contrast = shares("image_contrast", "Deviation of luma, 0 to 1.", buckets=SHARES[:5])
        self.feedback = counter("prediction_feedback", "Said of answers.", ("verdict",))
        self.lost_images = gauge("kept_images_lost", "Images that could not be kept.")
        self.log_failures = counter("prediction_log_failures", "Rows that could not be logged.")
        registry.register(_StderrFailures())

        self.stability = gauge(
            "drift_population_stability_index", "Against validation.", ("column",)
        )
        self.share_drifted = gauge("drift_share", "Share of columns with an index beyond chance.")
        self.window = gauge("drift_window_predictions", "How many predictions these two are of.")
        self.report_drifted = gauge("monitoring_share_drifted", "As the last /monitoring has it.")
        self.report_drifted.set(float("nan"))

        labels = ("model", "architecture", "precision", "revision")
        self.model = gauge("model_info", "What is served.", labels)
        self.provider = gauge("execution_provider_info", "Where it runs.", ("provider",))
        self.fallback = gauge("execution_provider_fallback", "1: not on the one asked for.")
        self.shadow_answers = counter("shadow_answers", "Beside the first's.", ("verdict",))
        self.shadow_disagreements = counter("shadow_disagreements", "By the first's.", ("class",))
        self.swaps = counter("model_swaps", "New models, or why not.", ("outcome",))
        self.ready = gauge("server_ready", "1: takes traffic.")

    def observe(self, prediction: Prediction) -> None:
        """Count an answer."""
        self.queue.observe(prediction.milliseconds["queue"] / 1000)
        self.decode.observe(prediction.milliseconds["decode"] / 1000)
        self.predictions.labels(prediction.name).inc()
        self.confidence.observe(prediction.confidence)
        self.abstentions.inc(prediction.abstain)
        if features := prediction.picture.features:  # of a tensor there are none
            self.brightness.observe(features["brightness"])
            self.contrast.observe(features["contrast"])

    def observe_feedback(self, feedback: Feedback) -> None:
        """Count feedback by what it says of the answer, where that is known here."""
        answer = feedback.answer
        right = answer and answer.name == feedback.actual
        self.feedback.labels("right" if right else "wrong" if answer else "unverified").inc()

    def observe_run(self, images: int, seconds: float, *, lost_rows: int) -> None:
        """Count a run of the network, and the rows of it that could not be logged."""
        self.batch_size.observe(images)
        self.infer.observe(seconds)
        if lost_rows:
            self.log_failures.inc(lost_rows)

    def observe_request(
        self, route: str, status: int, seconds: float, reasons: Iterable[str]
    ) -> None:
        """Count a request, and why it, or some of its images, got no answer."""
        count, time = self._of_answers(route, status)
        count.inc()
        time.observe(seconds)
        for reason in reasons:
            self.errors.labels(reason).inc()

    def _of(self, route: str, status: int) -> tuple[prometheus.Counter, prometheus.Histogram]:
        """Return what counts such answers; to look up a child takes longer than to count."""
        return self.requests.labels(route, str(status)), self.seconds.labels(route)

    def exposition(self) -> bytes:
        """Return all of them in Prometheus's text format."""
        return prometheus.generate_latest(self.registry)


class _StderrFailures(Collector):
    """The counter of the process's own log, which no `Metrics` counts."""

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily(
            "stderr_failures", "Lines of stderr that could not be written.", STDERR.output.failures
        )
