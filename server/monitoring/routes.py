"""`/monitoring` and `/monitoring.json`: a drift report of the server's last predictions.

Evidently would cost this process seconds and hundreds of MB, so another one makes the report, one
at a time, and it is kept for a while.
"""

import asyncio
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

from server.drift.page import headed
from server.http.json import Json
from server.inference.shadow import Shadow
from server.model.classifier import Classifier
from server.monitoring.recent import RecentRows
from server.monitoring.report import Job, Report
from server.predictions.log import OFF, STDOUT
from server.predictions.prediction import Prediction
from server.settings import PREFIX, Settings
from server.telemetry.metrics import Metrics

SCRIPT = "server.monitoring.report"
NEEDED = ("evidently", "pyarrow")
PATIENCE = 3600.0  # seconds for a report; on a busy machine it waits for its turn
RETRY = 5  # seconds
UNJUDGED = 30.0  # seconds that a report of too few rows is kept for
# Evidently's page brings its scripts and styles along: they may run, in an origin of their own, and
# neither load nor send anything
POLICY = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)

log = structlog.get_logger()


class Monitoring:
    """Answers both routes. Where the log is no folder, the last rows are kept in memory."""

    def __init__(self, classifier: Classifier, settings: Settings, metrics: Metrics) -> None:
        self.classifier, self.settings, self.metrics = classifier, settings, metrics
        beside = Path(settings.model).with_name("reference.parquet")
        self.reference = Path(settings.reference) if settings.reference else beside
        self.in_memory = settings.prediction_log in (STDOUT, OFF)
        self.recent = RecentRows(settings.monitoring_rows)
        self.shadow: Shadow | None = None
        self._report: Report | None = None
        self._kept_until = 0.0  # by time.monotonic
        self._making: asyncio.Task[Report] | None = None

    def observe(self, prediction: Prediction) -> None:
        """Remember an answer, where nobody else does."""
        if self.in_memory:
            self.recent.append(prediction)

    async def page(self, _: Request) -> HTMLResponse:
        """Answer Evidently's page."""
        page = self._current().page
        if self.shadow:
            page = headed(page.decode(), self.shadow.lines()).encode()
        return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})

    async def verdicts(self, _: Request) -> Json:
        """Answer the verdicts, in the shape of metrics/details/drift.json."""
        shadow = {"shadow": self.shadow.verdicts()} if self.shadow else {}
        return Json({**self._current().verdicts, **shadow})

    async def close(self) -> None:
        """End a process that is still at it."""
        if self._making:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)

    def _current(self) -> Report:
        """Return a report that is not too old, or raise what to answer instead of it."""
        self._check()
        if self._making and self._making.done():
            made, self._making = self._making, None
            if error := made.exception():
                log.error("monitoring", problem=str(error))
                raise HTTPException(500, "the report could not be made; it has been logged")
            if self._of_this_model(made.result()):
                return made.result()
        kept = self._report
        if kept and self._of_this_model(kept) and time.monotonic() < self._kept_until:
            return kept
        if not self._making:
            self._making = asyncio.create_task(self._make())
        detail = f"the report is being made; try again in {RETRY} s"
        raise HTTPException(503, detail, {"Retry-After": str(RETRY)})

    def _of_this_model(self, report: Report) -> bool:
        """Whether no other model has followed since."""
        return bool(report.verdicts["model"] == self.classifier.name)

    def _check(self) -> None:
        missing = [name for name in NEEDED if find_spec(name) is None]
        if missing:
            named = " and ".join(missing)
            raise HTTPException(501, f"{named} not installed here; pip install {' '.join(missing)}")
        if not self.reference.is_file():
            detail = f"no {self.reference.name} beside the model; set {PREFIX}REFERENCE to its path"
            raise HTTPException(501, detail)

    async def _make(self) -> Report:
        verdicts, page = (await self._run()).split(b"\n", 1)
        self._report = report = Report(verdicts=orjson.loads(verdicts), page=page)
        self.metrics.report_drifted.set(report.verdicts["share_drifted"])
        age = self.settings.monitoring_age
        kept = age if report.verdicts["columns"] else min(age, UNJUDGED)
        self._kept_until = time.monotonic() + kept
        return report

    async def _run(self) -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", SCRIPT,
            env=_environment(), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(PATIENCE):
                answer, complaint = await process.communicate(self._job())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise RuntimeError(complaint.decode(errors="replace")[-2000:])
        return answer

    def _job(self) -> bytes:
        job = Job(
            reference=str(self.reference),
            log="" if self.in_memory else self.settings.prediction_log,
            images=self.settings.monitoring_rows,
            rate=self.settings.false_alarm_rate,
            model=self.classifier.name,
            classes=self.classifier.metadata.classes,
            repeats=self.recent.repeats,
        )
        return b"\n".join([orjson.dumps(job), *self.recent])


def _environment() -> dict[str, str]:
    """Return what the process needs: no secrets of the server's, one thread, this very code."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), kept.get("PYTHONPATH"))))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**kept, **threads, "PYTHONPATH": path, "DO_NOT_TRACK": "1"}
