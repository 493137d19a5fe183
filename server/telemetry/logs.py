"""Structured logs: a JSON object a line on stderr, whoever wrote it."""

import logging
import warnings
from typing import BinaryIO, cast

import orjson
import structlog
from structlog.processors import EventRenamer, JSONRenderer, TimeStamper, format_exc_info
from structlog.stdlib import ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import Processor

from server.telemetry.stderr import STDERR


def configure() -> None:
    """Send what structlog, `logging` (so uvicorn) and `warnings` say to stderr, without waiting.

    structlog writes straight to the stream: by way of `logging` a line costs four times as much.
    """
    STDERR.install()
    stamp, rename = TimeStamper(fmt="iso", utc=True, key="time"), EventRenamer("message")
    structlog.configure(
        processors=[
            add_log_level,
            stamp,
            format_exc_info,
            rename,
            JSONRenderer(orjson.dumps, default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(cast(BinaryIO, STDERR)),
        cache_logger_on_first_use=True,
    )
    foreign: list[Processor] = [add_log_level, add_logger_name, stamp, format_exc_info]
    handler = logging.StreamHandler()
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=foreign,
            processors=[ProcessorFormatter.remove_processors_meta, rename, JSONRenderer()],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("PIL").setLevel(logging.CRITICAL)  # the answer says what is wrong with a file
    logging.captureWarnings(capture=True)
    warnings.simplefilter("default")
