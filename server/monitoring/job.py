"""What `/monitoring` asks of `server.monitoring.report`."""

from dataclasses import dataclass

SCRIPT = "server.monitoring.report"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to judge: the last `rows` rows of the folder `log`, or those on stdin, of a model."""

    reference: str
    log: str
    rows: int
    rate: float
    model: str
    classes: list[str]
