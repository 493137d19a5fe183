"""What two revisions' results were made from: the inputs in dvc.lock that differ, by stage.

An input is a parameter, code or data, no output of another stage: outputs differ between machines
that have computed the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from stages.reports.commands import git
from stages.reports.revision import WORKSPACE, Revision, committed, diff

LOCK, PARAMS, PACKAGES = "dvc.lock", "params.yaml", "requirements.lock"

Stages = dict[str, dict[str, Any]]  # of a dvc.lock


@dataclass(frozen=True)
class Inputs:
    """The inputs that differ.

    changed: a parameter, path or command, by the stage that takes it.
    affected: these stages, and all that take what they make.
    behind: inputs that differ in git, and that dvc.lock, and so the results, know nothing of.
    outputs: the stages whose outputs differ, for whatever reason.
    stages: all that one side has run, at least.
    """

    changed: dict[str, set[str]]
    affected: set[str]
    behind: list[str]
    outputs: set[str]
    stages: set[str]

    @classmethod
    def between(cls, base: Revision, head: Revision) -> "Inputs":
        """Compare what is in git; a stage that one side has not run counts as changed."""
        locks: tuple[Stages, Stages]
        locks = base.yaml(LOCK).get("stages", {}), head.yaml(LOCK).get("stages", {})
        names = sorted({name for lock in locks for name in lock})
        changed = {name: _differing(name, locks) for name in names}
        if base.read(PACKAGES) != head.read(PACKAGES):
            changed = {name: {*differing, PACKAGES} for name, differing in changed.items()}
        return cls(
            changed={name: differing for name, differing in changed.items() if differing},
            affected=_with_followers({name for name in names if changed[name]}, locks),
            behind=_behind(base, head, locks, set[str]().union(*changed.values())),
            outputs={name for name in names if _outs(locks[0], name) != _outs(locks[1], name)},
            stages=set(names),
        )

    @property
    def names(self) -> list[str]:
        """All that differs: parameters first, then paths and commands."""
        differing = set[str]().union(*self.changed.values())
        return sorted(differing, key=lambda name: ("/" in name or name == PACKAGES, name))

    @property
    def unchanged(self) -> bool:
        """Whether all results were made from the same."""
        return bool(self.stages) and not self.affected and not self.behind

    def affect(self, stage: str) -> bool:
        """Return whether a stage could answer otherwise; one that no dvc.lock knows could."""
        return stage in self.affected or stage not in self.stages


def _differing(name: str, locks: tuple[Stages, Stages]) -> set[str]:
    """Return the inputs of one stage that differ."""
    before, after = (lock.get(name) for lock in locks)
    if before is None or after is None:
        return {f"stage {name}"}
    made = {out["path"] for lock in locks for stage in lock.values() for out in stage["outs"]}
    was, now = dict(_inputs(before, made)), dict(_inputs(after, made))
    differing = {name for name in {*was, *now} if was.get(name) != now.get(name)}
    # the command holds the parameters, so that it tells something of its own only without them
    if not differing and before["cmd"] != after["cmd"]:
        return {str(after["cmd"])}
    return differing


def _inputs(stage: dict[str, Any], made: set[str]) -> Iterator[tuple[str, Any]]:
    for dependency in stage.get("deps", []):
        if dependency["path"] not in made:
            yield dependency["path"], dependency.get("md5", dependency)
    for sections in stage.get("params", {}).values():
        for section, values in sections.items():
            if isinstance(values, dict):
                yield from ((f"{section}.{name}", value) for name, value in values.items())
            else:
                yield section, values


def _with_followers(stages: set[str], locks: Iterable[Stages]) -> set[str]:
    """Return stages, and all that take what they make."""
    takers = defaultdict(set)
    for lock in locks:
        makers = {out["path"]: name for name, stage in lock.items() for out in stage["outs"]}
        for name, stage in lock.items():
            for dependency in stage.get("deps", []):
                if maker := makers.get(dependency["path"]):
                    takers[maker].add(name)
    found, new = set(stages), set(stages)
    while new:
        new = set[str]().union(*(takers[name] for name in new)) - found
        found |= new
    return found


def _outs(lock: Stages, name: str) -> list[Any]:
    return list(lock.get(name, {}).get("outs", []))


def _behind(base: Revision, head: Revision, locks: Iterable[Stages], known: set[str]) -> list[str]:
    """Return paths and parameters that git says differ and `known` does not hold."""
    parameters = set(diff("params", base, head).get(PARAMS, {}))
    stages = [stage for lock in locks for stage in lock.values()]
    paths = {dependency["path"] for stage in stages for dependency in stage.get("deps", [])}
    listings = [git("diff", "--name-only", "--relative", "-z", *committed(base, head), "--")]
    if head.name == WORKSPACE:
        listings.append(git("ls-files", "-z", "--others", "--exclude-standard"))
    files = b"".join(filter(None, listings)).decode(errors="surrogateescape").split("\0")
    changed = {
        path
        for path in paths
        for file in files
        if file in {path, f"{path}.dvc"} or file.startswith(f"{path}/")
    }
    made = {out["path"] for stage in stages for out in stage["outs"]}
    return sorted((parameters | changed) - known - made)
