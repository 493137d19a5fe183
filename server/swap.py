"""A new model in the place of the old one, between two requests, by looks at its file.

What is under way keeps the model that it began with; with its last image the old one is freed.
"""

import asyncio
from collections.abc import Callable, Coroutine
from threading import Timer
from typing import Any

import structlog

from server.errors import ModelError, Overloaded
from server.inference.batcher import Batcher
from server.inference.memory import give_back_freed
from server.inference.predictor import Predictor
from server.inference.served_model import ServedModel, open_artefact
from server.model.classifier import Classifier
from server.routes.health import Health
from server.settings import PREFIX, Settings
from server.storage.model_file import Content, ModelFile

SHOWN = 5  # classes that are named

log = structlog.get_logger()


class Refused(ModelError):  # noqa: N818 - a verdict
    """Why a new model is not served. `reason`: for the metrics; `public`: for `/health`."""

    def __init__(self, reason: str, why: str, public: str = "") -> None:
        super().__init__(why)
        self.reason, self.public = reason, public or why


class Swap:
    """Looks for another artefact at `SERVER_MODEL`, and lets it take over where it is sound.

    A thread reads and opens it, compares it with what is served, and warms it up; then its golden
    image goes the way of a request. One that is refused changes nothing: `/health`, the log and
    `model_swaps_total` say why.

    take_over: called on the event loop with a model that is to answer from then on.
    """

    def __init__(
        self,
        predictor: Predictor,
        health: Health,
        settings: Settings,
        take_over: Callable[[ServedModel], None],
    ) -> None:
        """Start nothing yet."""
        self.predictor, self.health, self.settings = predictor, health, settings
        self.take_over = take_over
        self.file = ModelFile(location=settings.model, sha256=settings.model_sha256)
        self._judged = ""  # version of the file that is served, or was refused for good
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread: Batcher[None, ServedModel | None] | None = None  # started by the first look

    @property
    def busy(self) -> bool:
        """Whether the thread is at a file."""
        return bool(self._thread and self._thread.stuck(0))

    def start(self) -> None:
        """Look again and again, where the settings ask for it."""
        if self.settings.model_watch:
            self._begin(self._watch())

    def look_now(self) -> None:
        """Look once, at a file that seems unchanged too."""
        log.info("SIGHUP: looking for a new model; settings are read at the start alone")
        self._begin(self.look(again=True))

    async def close(self) -> None:
        """Look no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def look(self, *, again: bool = False) -> None:
        """Serve what lies there, if it is something else and sound; or say why not."""
        async with self._turn:
            self._judged = "" if again else self._judged
            try:
                model = await self._opened()
                if model is None:  # nothing that was not judged before
                    return
                if model is not self.predictor.model:
                    await self._check(model)
                    self._serve(model)
                elif again:
                    log.info("the model is the same", model=model.name)
                self.health.refused = None
            except Refused as refused:
                self._refuse(refused)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self.settings.model_watch)
            try:
                await self.look()
            except Exception:
                log.exception("looking for a new model failed")

    async def _opened(self) -> ServedModel | None:
        if self._thread is None:
            self._thread = Batcher(lambda _: [self._open()], limit=1, runners=1, name="swap")
        return await self._thread.submit(None)

    def _open(self) -> ServedModel | None:
        """Return the model that lies there, the one that is served, or None where judged already.

        Raises `Refused`.
        """
        content, served = self._content(), self.predictor.model
        if content is None:
            return None
        if content.sha256.startswith(served.name):
            return served
        try:
            self.file.check(content)
            classifier = open_artefact(content, self.settings)
        except ModelError as error:
            raise Refused("artefact", self._without_location(error)) from None
        self._compare(classifier, served.classifier)
        try:
            model = ServedModel(classifier, batch=self.settings.batch)
        except Exception as error:  # no room for it on the GPU
            log.exception("preparing a new model failed")
            why = f"its batches cannot be prepared: {type(error).__name__}"
            raise Refused("artefact", why) from None
        model.warm_up()
        return model

    def _content(self) -> Content | None:
        """Return what lies there, or None where it has been judged."""
        judged, self._judged = self._judged, ""
        try:
            version = self.file.version()
            content = None if version == judged else self.file.fetch()
        except OSError as error:
            raise Refused("unreadable", f"cannot be read ({error.strerror})") from None
        except ModelError as error:  # which may name the account
            public = "cannot be fetched; the log says why"
            raise Refused("unreadable", self._without_location(error), public) from None
        self._judged = version
        return content

    def _without_location(self, error: ModelError) -> str:
        return str(error).removeprefix(f"{self.file}: ")

    def _compare(self, new: Classifier, served: Classifier) -> None:
        """Raise `Refused` where a new artefact would change what clients or operators rely on."""
        if new.provider != served.provider:
            why = f"it runs on {new.provider}, what is served on {served.provider}"
            raise Refused("provider", f"{why}; start the server anew")
        changed = set(new.metadata.classes) ^ set(served.metadata.classes)
        if new.metadata.classes != served.metadata.classes and not self.settings.allow_new_classes:
            names = ", ".join(sorted(changed)[:SHOWN]) or "their order"
            cure = f"set {PREFIX}ALLOW_NEW_CLASSES=on to serve it nevertheless"
            raise Refused("classes", f"other classes than those served ({names}); {cure}")

    async def _check(self, model: ServedModel) -> None:
        """Raise `Refused` unless the golden image gets the answer that the artefact promises."""
        try:
            problem = await self.health.golden_image_problem(model)
        except Overloaded:
            self._judged = ""
            raise Refused("busy", "no room to try it now; it is looked at again") from None
        if problem:
            raise Refused("golden image", problem)

    def _serve(self, model: ServedModel) -> None:
        before = self.predictor.model.name
        self.take_over(model)
        self.health.problem = None
        self.predictor.metrics.swaps.labels("served").inc()
        log.info("model", model=model.name, before=before, provider=model.classifier.provider)
        tidy_up = Timer(self.settings.deadline, give_back_freed)  # then nobody needs the old one
        tidy_up.daemon = True
        tidy_up.start()

    def _refuse(self, refused: Refused) -> None:
        self.predictor.metrics.swaps.labels(refused.reason).inc()
        if self.health.refused != refused.public:  # not at each look
            log.error("model refused", file=str(self.file), problem=str(refused))
        self.health.refused = refused.public
