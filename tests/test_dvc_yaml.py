"""DVC believes what dvc.yaml says of a stage. These tests hold it to what the code does."""

import ast
import importlib
import inspect
from functools import cache
from pathlib import Path
from typing import Any

import grimp
import pytest
from dvc.repo import Repo
from dvc.stage import PipelineStage

from tests.stage import MODULES, PARAMS, ROOT

BY_HAND = {"profiled", "data", "results"}  # options that no run of the pipeline gives
SECTIONS = ("prepare", "train", "export", "evaluate", "drift")


@cache
def stages() -> dict[str, PipelineStage]:
    """The stages as DVC resolves them, by their sections in params.yaml."""
    with Repo(str(ROOT)) as repo:
        return {
            stage.name.removesuffix("-onnx"): stage for stage in repo.index.stages if stage.name
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
    return path.endswith(".py")


def declared(section: str) -> tuple[set[str], set[str]]:
    """The dependencies and outputs of a stage, relative to the repository."""
    stage = stages()[section]
    dependencies = {dep.def_path for dep in stage.deps if not hasattr(dep, "params")}
    return dependencies, {out.def_path for out in stage.outs}


def test_every_stage_and_every_section_is_known() -> None:
    assert set(stages()) == set(SECTIONS)
    assert set(PARAMS) <= set(SECTIONS)


@pytest.mark.parametrize("section", SECTIONS)
def test_code_dependencies_are_the_modules_that_a_stage_imports(section: str) -> None:
    graph = grimp.build_graph("stages", "server", cache_dir=None)
    imported = {module(section)} | graph.find_upstream_modules(module(section))
    files = {f"{name.replace('.', '/')}.py" for name in imported - {"stages", "server"}}
    dependencies, _ = declared(section)
    assert {path for path in dependencies if is_code(path)} == files


@pytest.mark.parametrize("package", ["stages", "server"])
def test_packages_hold_no_code_that_a_dependency_would_have_to_name(package: str) -> None:
    [docstring] = ast.parse((ROOT / package / "__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr)


@pytest.mark.parametrize("section", SECTIONS)
def test_options_other_than_paths_are_the_section_of_params(section: str) -> None:
    named = {
        name
        for name, default in options(section).items()
        if not isinstance(default, Path) and name not in BY_HAND
    }
    assert named == set(PARAMS.get(section, {}))


@pytest.mark.parametrize("section", SECTIONS)
def test_path_options_are_the_declared_dependencies_and_outputs(section: str) -> None:
    dependencies, outputs = declared(section)
    data = {path for path in dependencies if not is_code(path)}
    named = {str(value) for value in PARAMS.get(section, {}).values()}
    assert paths(section) - named == (data | outputs) - named
    assert data - paths(section) <= named


@pytest.mark.parametrize("section", SECTIONS)
def test_a_stage_is_called_with_its_section(section: str) -> None:
    stage = stages()[section]
    assert stage.cmd.startswith(f"python -m {module(section)}")
    tracked = {name for dep in stage.deps for name in getattr(dep, "params", [])}
    assert tracked == ({section} if section in PARAMS else set())


@pytest.mark.parametrize("section", SECTIONS)
def test_small_results_are_in_git_and_data_is_not(section: str) -> None:
    for out in stages()[section].outs:
        assert out.use_cache == out.def_path.startswith("data/"), out.def_path


def test_every_parameter_has_a_comment() -> None:
    for line in (ROOT / "params.yaml").read_text().splitlines():
        if line.startswith("  "):
            assert " # " in line, line
