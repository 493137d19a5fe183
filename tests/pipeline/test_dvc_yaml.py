"""DVC believes what dvc.yaml says of a stage. These tests hold it to what the code does."""

import ast
import importlib
import inspect
import sys
from functools import cache
from pathlib import Path
from typing import Any

import grimp
import pytest
from dvc.repo import Repo
from dvc.stage import PipelineStage

from stages.cli.command import comments, run
from tests.kit.stage import MODULES, PROJECT, ROOT

BY_HAND = {"data", "results"}  # options that no run of the pipeline gives
SECTIONS = ("prepare", "train", "export", "evaluate", "drift")
PACKAGES = [
    file.parent.relative_to(ROOT)
    for top in ("stages", "server")
    for file in sorted((ROOT / top).rglob("__init__.py"))
]


@cache
def stages() -> dict[str, PipelineStage]:
    """The stages as DVC resolves them, by their sections in params.yaml."""
    with Repo(str(ROOT)) as repo:
        return {
            stage.name.removesuffix("-onnx"): stage
            for stage in repo.index.stages
            if isinstance(stage, PipelineStage)  # what `dvc add` writes is a stage without a name
        }


def module(section: str) -> str:
    return f"stages.{MODULES.get(section, section)}"


def options(section: str) -> dict[str, Any]:
    """The options of a stage and their defaults; Typer makes them of its `main`."""
    main = importlib.import_module(module(section)).main
    return {name: option.default for name, option in inspect.signature(main).parameters.items()}


def paths(section: str) -> set[str]:
    """The defaults of the options that say where to read and write."""
    return {path.as_posix() for path in options(section).values() if isinstance(path, Path)}


def is_code(path: str) -> bool:
    return path.startswith(("stages/", "server/"))


def covers(dependency: str, file: str) -> bool:
    """Whether a file is the dependency, or lies in the room that it names."""
    return file == dependency or file.startswith(f"{dependency}/")


@cache
def imported(section: str) -> set[str]:
    """The files of all modules that a stage imports, its own among them."""
    graph = grimp.build_graph("stages", "server", cache_dir=None)
    names = {module(section)} | graph.find_upstream_modules(module(section))
    paths = {name.replace(".", "/") for name in names}
    return {f"{path}.py" for path in paths if not (ROOT / path).is_dir()}


def declared(section: str) -> tuple[set[str], set[str]]:
    """The dependencies and outputs of a stage, relative to the repository."""
    stage = stages()[section]
    dependencies = {dep.def_path for dep in stage.deps if not hasattr(dep, "params")}
    return dependencies, {out.def_path for out in stage.outs}


def test_every_stage_and_every_section_is_known() -> None:
    assert set(stages()) == set(SECTIONS)
    assert set(PROJECT) <= set(SECTIONS)


@pytest.mark.parametrize("section", SECTIONS)
def test_each_module_that_a_stage_imports_lies_under_exactly_one_dependency(section: str) -> None:
    code = [path for path in declared(section)[0] if is_code(path)]
    for file in imported(section):
        assert sum(covers(path, file) for path in code) == 1, file


@pytest.mark.parametrize("section", SECTIONS)
def test_each_code_dependency_of_a_stage_is_imported_by_it(section: str) -> None:
    files = imported(section)
    for path in filter(is_code, declared(section)[0]):
        assert any(covers(path, file) for file in files), path


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_a_package_holds_a_docstring_alone(package: Path) -> None:
    [docstring] = ast.parse((ROOT / package / "__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr)


@pytest.mark.parametrize("section", SECTIONS)
def test_options_other_than_paths_are_the_section_of_params(section: str) -> None:
    named = {
        name
        for name, default in options(section).items()
        if not isinstance(default, Path) and name not in BY_HAND
    }
    assert named == set(PROJECT.get(section, {}))


@pytest.mark.parametrize("section", SECTIONS)
def test_path_options_are_the_declared_dependencies_and_outputs(section: str) -> None:
    dependencies, outputs = declared(section)
    data = {path for path in dependencies if not is_code(path)}
    named = {str(value) for value in PROJECT.get(section, {}).values()}
    assert paths(section) - named == (data | outputs) - named
    assert data - paths(section) <= named


@pytest.mark.parametrize("section", SECTIONS)
def test_a_stage_is_called_with_its_section(section: str) -> None:
    stage = stages()[section]
    assert stage.cmd.startswith(f"python -m {module(section)}")
    tracked = {name for dep in stage.deps for name in getattr(dep, "params", [])}
    assert tracked == ({section} if section in PROJECT else set())


@pytest.mark.parametrize("section", SECTIONS)
def test_small_results_are_in_git_and_data_is_not(section: str) -> None:
    for out in stages()[section].outs:
        assert out.use_cache == out.def_path.startswith("data/"), out.def_path


def test_every_parameter_has_a_comment_which_is_the_help_of_its_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = comments((ROOT / "params.yaml").read_text())
    assert set(said) == {(section, name) for section in PROJECT for name in PROJECT[section]}
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setattr(sys, "argv", ["stage", "--help"])
    for section in PROJECT:
        with pytest.raises(SystemExit):
            run(importlib.import_module(module(section)).main, section=section)
        shown = capsys.readouterr().out
        for (its_section, _), text in said.items():
            assert its_section != section or text in shown, text
