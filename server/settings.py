"""What the environment sets; `python -m server --help` lists it."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self, get_type_hints

from starlette.config import Config, Environ

from server.casts import digest, location, policy, seconds, share, switch, whole, words
from server.errors import UserError
from server.model.policy import ProviderPolicy

PREFIX = "SERVER_"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The server's settings; each is read from `SERVER_` and its name in capitals.

    Each is annotated with how it is read and what it means.
    """

    model: Annotated[str, location, "the artefact to serve: a path, or gs://bucket/object"] = (
        "data/model/model.onnx"
    )
    model_sha256: Annotated[str, digest, "its SHA-256; another does not start"] = ""
    host: Annotated[str, str, "address to listen on; 0.0.0.0 for all"] = "127.0.0.1"
    port: Annotated[int, whole(0, 65_535), "port to listen on; 0 takes a free one"] = 8000
    provider: Annotated[
        ProviderPolicy,
        policy,
        "auto: CUDA where there is a driver; cuda: say so where that fails; "
        "require-cuda: no start without; cpu",
    ] = ProviderPolicy.AUTO
    threads: Annotated[int, whole(1, 1024), "CPU threads of a run of the network"] = 1
    runners: Annotated[
        int, whole(0, 1024), "runs at once; 0: as many as there are cores, on CUDA 1"
    ] = 0
    decoders: Annotated[int, whole(0, 1024), "threads that decode; 0: one a core"] = 0
    queue: Annotated[int, whole(1, 100_000), "images under way at once; more get 503"] = 256
    batch: Annotated[int, whole(0, 1024), "images a run takes at most; 0: 1, on CUDA 16"] = 0
    cuda_graphs: Annotated[bool, switch, "on: replay each batch size as a CUDA graph"] = False
    deadline: Annotated[
        float, seconds, "seconds until 504; 503 from an expected wait of half of them"
    ] = 5.0
    drain: Annotated[float, seconds, "seconds after SIGTERM in which work is taken"] = 1.0
    header_timeout: Annotated[float, seconds, "seconds for the head of a request, else 408"] = 5.0
    body_timeout: Annotated[float, seconds, "seconds for its body, else 408"] = 30.0
    keep_alive: Annotated[int, whole(1, 86_400), "seconds a connection may idle"] = 75
    connections: Annotated[int, whole(1, 1_000_000), "open at once; more are hung up on"] = 4096
    max_held_bytes: Annotated[int, whole(1, 2**40), "of all bodies at once; more get 503"] = (
        256_000_000
    )
    max_body_bytes: Annotated[int, whole(1, 2**31), "a longer body gets 413"] = 20_000_000
    max_pixels: Annotated[int, whole(1, 178_000_000), "a larger image gets 400"] = 64_000_000
    max_batch_images: Annotated[int, whole(1, 1000), "images a /predict_batch takes"] = 10
    api_keys: Annotated[
        tuple[str, ...], words, "keys, with commas, one of which clients must send; none: open"
    ] = ()
    cors_origins: Annotated[
        tuple[str, ...], words, "origins, with commas, whose pages may call; *: all"
    ] = ()
    prediction_log: Annotated[str, str, "folder that gets a row an answer; stdout; off"] = (
        "data/predictions"
    )
    reference: Annotated[
        str, str, "the artefact's reference.parquet, for /monitoring; none: beside the artefact"
    ] = ""
    monitoring_rows: Annotated[
        int, whole(10, 100_000), "last predictions that /monitoring and the drift metrics judge"
    ] = 10_000
    monitoring_age: Annotated[float, seconds, "seconds for which a report is kept"] = 600.0
    false_alarm_rate: Annotated[float, share, "of reports when nothing has changed"] = 0.05
    revision: Annotated[str, str, "the commit that is served, for log and /health"] = ""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read the environment, or raise `UserError` naming the variable, its value and the cure.

        An empty variable counts as none.
        """
        config = Config(environ=Environ(dict(environment)), env_prefix=PREFIX)
        values: dict[str, Any] = {}
        for name, (cast, _) in _fields().items():
            text = config(name.upper(), default="")
            if not text:
                continue
            try:
                values[name] = cast(text)
            except (ValueError, KeyError):
                raise UserError(f"{_variable(name)}={text}: no {cast.__name__}") from None
        return cls(**values)


def _fields() -> dict[str, tuple[Any, str]]:
    """Return the cast and the meaning of each setting."""
    hints = get_type_hints(Settings, include_extras=True)
    return {name: hint.__metadata__ for name, hint in hints.items()}


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def unknown(environment: Mapping[str, str]) -> list[str]:
    """Say which variables look like settings and are none; platforms may set some of their own."""
    known = [_variable(name) for name in _fields()]
    strange = [name for name in environment if name.startswith(PREFIX) and name not in known]
    hints = {name: difflib.get_close_matches(name, known, n=1) for name in strange}
    return [f"{name} is no setting" + "".join(f"; {h}?" for h in hints[name]) for name in strange]


def table() -> str:
    """Return name, default and meaning of each setting, a line each."""
    defaults = Settings()
    lines = []
    for name, (_, meaning) in _fields().items():
        default = getattr(defaults, name)
        shown = {"": "none", "()": "none", "False": "off"}.get(str(default), str(default))
        lines.append(f"  {_variable(name):24}  {shown:21}  {meaning}")
    return "\n".join(lines)
