"""What `/monitoring` asks of `server.report`, and where it finds the answer."""

from dataclasses import dataclass

SCRIPT = "server.report"
PAGE = "page.html"
VERDICTS = "verdicts.json"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to judge: the last `rows` rows of the folder `log`, or those on stdin, of a model."""

    reference: str
    log: str
    rows: int
    rate: float
    model: str
    classes: list[str]
