"""The server's settings, read from the environment; `python -m server --help` lists them."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, NamedTuple, Self, get_type_hints

from server import validators
from server.errors import UserError
from server.image.limits import MAX_PIXELS, OVERHEAD
from server.model.policy import ENGINES, ProviderPolicy

PREFIX = "SERVER_"


class Range(NamedTuple):
    """The least and the most that a number may be, and what to call it."""

    least: float
    most: float
    noun: str = "whole number"


class Pattern(NamedTuple):
    """The regular expression that a text must match, and what to call such a text."""

    regex: str
    words: str


Limit = Range | Pattern | Callable[[str], None] | None  # the last for each of `Names`
Names = tuple[str, ...]
Seconds = Annotated[float, Range(0.001, 86_400, "number of seconds")]
DECODING = Range(16_000_000, 2**40)
PIXEL_BYTES = 4  # of a picture in RGB, as Pillow keeps it
SHARE = Range(0.001, 0.5, "share")
LOOKS = Range(0, 86_400, "number of seconds")
LOCATION = Pattern("gs://.*|(?!.*://).*", "a path or gs://bucket/object")
POLICIES = "auto: CUDA, else CPU; cuda, tensorrt: degraded without; require-cuda: no start; cpu"
ROOT = Pattern(r"(/(?!\.{1,2}(/|$))[0-9A-Za-z._~-]+)+", "a path such as /cars, no slash at its end")
REVISION = Pattern("[!-~]{0,100}", "at most 100 visible ASCII characters")
DIGEST = Pattern("[0-9a-fA-F]{64}", "a SHA-256 in 64 hexadecimal digits")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The server's settings; each is read from `SERVER_` and its name in capitals.

    The annotation has the type, the limit where there is one, and the meaning.
    """

    model: Annotated[str, LOCATION, "the artefact, or gs://bucket/object"] = "data/model/model.onnx"
    model_sha256: Annotated[str, DIGEST, "SHA-256 that the file must have"] = ""
    model_watch: Annotated[float, LOOKS, "seconds between looks for a new one; 0: at SIGHUP"] = 0
    allow_new_classes: Annotated[bool, "whether a new one may have other classes"] = False
    shadow: Annotated[str, LOCATION, "a second artefact, answering unseen where idle"] = ""
    shadow_share: Annotated[float, Range(0.001, 1, "share"), "of requests it is shown"] = 1.0
    host: Annotated[str, "address to listen on; 0.0.0.0 for all"] = "127.0.0.1"
    port: Annotated[int, Range(0, 65_535), "port to listen on; 0 takes a free one"] = 8000
    provider: Annotated[ProviderPolicy, POLICIES] = ProviderPolicy.AUTO
    threads: Annotated[int, Range(1, 1024), "CPU threads of a run of the network"] = 1
    runners: Annotated[int, Range(0, 1024), "runs at once; 0: cores + 1, on CUDA 1"] = 0
    decoders: Annotated[int, Range(0, 1024), "threads that decode; 0: one a core"] = 0
    queue: Annotated[int, Range(1, 100_000), "images under way at once; more get 503"] = 256
    batch: Annotated[int, Range(0, 1024), "images a run takes at most; 0: 1, on CUDA 16"] = 0
    cuda_graphs: Annotated[bool, "replay each batch size as a CUDA graph; not for fp16"] = True
    tensorrt_engines: Annotated[str, "folder that keeps what TensorRT builds"] = ENGINES
    deadline: Annotated[Seconds, "seconds until 504; 503 if half must be waited"] = 5.0
    drain: Annotated[Seconds, "seconds after SIGTERM in which work is taken"] = 1.0
    header_timeout: Annotated[Seconds, "seconds for the head of a request, else 408"] = 5.0
    body_timeout: Annotated[Seconds, "seconds for its body, else 408"] = 30.0
    keep_alive: Annotated[int, Range(1, 86_400), "seconds a connection may idle"] = 75
    connections: Annotated[int, Range(1, 1_000_000), "open at once; more are closed"] = 4096
    max_held_bytes: Annotated[int, Range(1, 2**40), "bytes of all bodies; more: 503"] = 256_000_000
    max_body_bytes: Annotated[int, Range(1, 2**31), "a longer body gets 413"] = 20_000_000
    max_decoding_bytes: Annotated[int, DECODING, "memory of all decoding at once"] = 512_000_000
    max_pixels: Annotated[int, Range(1, 178_000_000), "larger gets 413, some at less"] = MAX_PIXELS
    max_batch_images: Annotated[int, Range(1, 1000), "images a /predict_batch takes"] = 10
    api_keys: Annotated[Names, validators.api_key, "keys, by commas; none: open"] = field(
        default=(), repr=False
    )
    cors_origins: Annotated[
        Names, validators.origin, "origins, by commas, whose pages may ask; *: all"
    ] = ()
    root_path: Annotated[str, ROOT, "prefix under which a proxy shows this server"] = ""
    trusted_proxies: Annotated[
        Names, validators.proxy, "addresses, by commas, whose X-Forwarded-For holds; *: all"
    ] = ()
    prediction_log: Annotated[str, "folder of the log, or stdout, or off"] = "data/predictions"
    log_top: Annotated[int, Range(1, 1_000_000), "probabilities a row lists at most"] = 20
    feedback: Annotated[bool, "take what visitors say an image shows: /feedback"] = False
    feedback_window: Annotated[
        int, Range(1, 1_000_000), "last answers that feedback is checked against"
    ] = 10_000
    feedback_rate: Annotated[int, Range(1, 100_000), "feedback a minute; more gets 429"] = 60
    keep_images: Annotated[str, "folder that keeps answered images; none: they go"] = ""
    keep_images_bytes: Annotated[int, Range(1_000_000, 2**50), "of all kept"] = 1_000_000_000
    keep_images_days: Annotated[int, Range(1, 3650), "after which a kept image goes"] = 30
    reference: Annotated[str, "reference.parquet for /monitoring; none: beside the artefact"] = ""
    monitoring_rows: Annotated[int, Range(10, 100_000), "last images that reports judge"] = 10_000
    monitoring_age: Annotated[Seconds, "seconds for which a report is kept"] = 600.0
    false_alarm_rate: Annotated[float, SHARE, "of reports that alarm by chance"] = 0.05
    revision: Annotated[str, REVISION, "the commit that is served, for log and /health"] = ""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read the environment, or raise `UserError` naming the variable, its value and the cure.

        An empty variable counts as none, but for keys: there somebody's are missing.
        """
        values = {}
        secrets = {one.name for one in fields(cls) if not one.repr}
        for variable, name, kind, limit, _ in _declarations():
            text = environment.get(variable)
            if text or (text is not None and name in secrets):
                try:
                    values[name] = _convert(text, kind, limit)
                except ValueError as error:
                    shown = variable if name in secrets else f"{variable}={text}"
                    raise UserError(f"{shown}: must be {error}") from None
        read = cls(**{**values, "max_pixels": _max_pixels(values)})
        if read.feedback and read.prediction_log == "off":
            raise UserError(
                f"{PREFIX}FEEDBACK=on: needs a log to go to, and {PREFIX}PREDICTION_LOG=off; "
                "name a folder, or stdout"
            )
        return read


def _max_pixels(values: Mapping[str, Any]) -> int:
    """Return `max_pixels`: as it is set, else the default or what decoding may take, if less.

    Raise `UserError` where so many could never be decoded.
    """
    memory = values.get("max_decoding_bytes", Settings.max_decoding_bytes)
    fitting: int = (memory - OVERHEAD) // PIXEL_BYTES
    pixels: int = values.get("max_pixels", min(Settings.max_pixels, fitting))
    if pixels > fitting:
        raise UserError(
            f"{PREFIX}MAX_PIXELS={pixels}: a plain picture of so many takes "
            f"{OVERHEAD + pixels * PIXEL_BYTES:,} bytes to decode, "
            f"{PREFIX}MAX_DECODING_BYTES allows {memory:,}; set that higher, "
            f"or this to at most {fitting}"
        )
    return pixels


def settings_table() -> str:
    """Return name, default and meaning of each setting, a line each."""
    defaults = Settings()
    lines = []
    for variable, name, _, _, meaning in _declarations():
        default = str(getattr(defaults, name))
        shown = {"": "none", "()": "none", "False": "off"}.get(default, default)
        lines.append(f"  {variable:24}  {shown:21}  {meaning}")
    return "\n".join(lines)


def unknown_settings(environment: Mapping[str, str]) -> list[str]:
    """Say which variables look like settings and are none; platforms may set some of their own."""
    known = [variable for variable, *_ in _declarations()]
    strange = [name for name in environment if name.startswith(PREFIX) and name not in known]
    hints = {name: difflib.get_close_matches(name, known, n=1) for name in strange}
    return [f"{name} is no setting" + "".join(f"; {h}?" for h in hints[name]) for name in strange]


def _declarations() -> Iterator[tuple[str, str, Any, Limit, str]]:
    """Yield variable, name, type, limit and meaning of each setting."""
    for name, hint in get_type_hints(Settings, include_extras=True).items():
        *limits, meaning = hint.__metadata__
        limit = limits[0] if limits else None
        yield PREFIX + name.upper(), name, hint.__origin__, limit, meaning


def _convert(text: str, kind: Any, limit: Limit) -> Any:
    """Return the value that `text` stands for, or raise `ValueError` saying what it must be."""
    if kind == Names:
        names = tuple(name for part in text.split(",") if (name := part.strip()))
        for name in names:
            limit(name)  # type: ignore[misc, operator]
        if not names or ("*" in names and len(names) > 1):
            raise ValueError("* alone, or none" if names else "unset, or not empty")
        return names
    match limit:
        case Range(least, most, noun):
            with suppress(ValueError):
                if least <= (number := kind(text)) <= most:
                    return number
            raise ValueError(f"a {noun} from {least:,} to {most:,}")
        case Pattern(regex, words) if not re.fullmatch(regex, text):
            raise ValueError(words)
    if kind is str:
        return text
    choices = {"on": True, "off": False} if kind is bool else {str(one): one for one in kind}
    if text not in choices:
        raise ValueError(f"one of {', '.join(choices)}")
    return choices[text]
