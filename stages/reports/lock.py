"""dvc.lock: what each stage read and wrote when it ran last."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from server.errors import UserError

LOCK = Path("dvc.lock")


@dataclass(frozen=True)
class Lock:
    """The stages of a dvc.lock, by name."""

    stages: dict[str, Any]

    @classmethod
    def read(cls) -> "Lock":
        """Read the one of the current folder, or raise `UserError`."""
        try:
            return cls(yaml.safe_load(LOCK.read_text(encoding="utf-8"))["stages"])
        except FileNotFoundError:
            raise UserError(f"{LOCK}: not there; run `dvc repro`") from None
        except (yaml.YAMLError, KeyError, TypeError):
            raise UserError(
                f"{LOCK}: not what DVC writes; mend it, or `git restore {LOCK}`"
            ) from None

    def dependencies(self) -> Iterator[tuple[str, str]]:
        """Yield each stage with each path that it read."""
        for stage, facts in self.stages.items():
            for dependency in facts.get("deps", []):
                yield stage, dependency["path"]

    def outputs(self) -> list[str]:
        """Return the paths that the stages wrote."""
        return [out["path"] for facts in self.stages.values() for out in facts.get("outs", [])]
