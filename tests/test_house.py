"""The rules of the house: who may import whom, what is instant, what every public thing has."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import TASKS

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("rnnkit", "pipelines", "tuning")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
READERS = {"weight_files": {"h5py", "tensorflow"}}  # imported when such a file is read
HEAVY = {"keras", "tensorflow", "numpy", "matplotlib", "rnnkit", "scipy", "music21"}


def imports(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: import by the full name, not `from .`"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def top_levels(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_point_one_way(path: Path):
    """The library stays usable without the pipelines, and the pipelines without the tuner."""
    package = path.relative_to(ROOT).parts[0]
    inside_cli = name_of(path).startswith("pipelines/cli")
    forbidden = {"rnnkit": {"pipelines", "tuning"}, "pipelines": {"tuning"}}.get(package, set())
    if inside_cli:
        forbidden = forbidden - {"tuning"}
    assert not top_levels(path) & forbidden, f"{name_of(path)} imports upwards in the house"


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path.is_relative_to(ROOT / "rnnkit")], ids=name_of
)
def test_the_library_needs_only_keras_and_numpy(path: Path):
    """A user of the layers installs nothing else; a backend is known to its own engine alone."""
    outside = top_levels(path) - set(sys.stdlib_module_names) - {"rnnkit", "keras", "numpy"}
    engine = re.fullmatch(r"engine_([a-z]+)(_\w+)?", path.stem)
    allowed = {engine[1]} if engine else READERS.get(path.stem, set())
    assert outside <= allowed, f"{name_of(path)} imports {sorted(outside - allowed)}"


@pytest.mark.parametrize("task", TASKS)
def test_no_task_imports_another(task: str):
    """A task can be read, changed and removed by itself."""
    row = TASKS[task]
    module = importlib.util.find_spec(row.task.partition(":")[0].rpartition(".")[0])
    assert module is not None
    assert module.origin is not None
    others = {row.task.partition(":")[0].rpartition(".")[0] for row in TASKS.values()}
    others.discard(module.name)
    for path in Path(module.origin).parent.rglob("*.py"):
        for name in imports(path):
            assert not any(name == other or name.startswith(f"{other}.") for other in others), path


def test_light_modules_import_nothing_heavy():
    """`rnnkit --help`, `rnnkit tasks` and `rnnkit train TASK --help` answer at once."""
    light = ["pipelines", "pipelines.cli", "pipelines.errors", "pipelines.settings"]
    light += [row.settings.partition(":")[0] for row in TASKS.values()]
    program = (
        f"import importlib, json, sys\nfor name in {light!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(json.loads(done.stdout)) & HEAVY
    assert not loaded, f"importing {', '.join(light)} must not import {sorted(loaded)}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_public_functions_say_what_they_do(path: Path):
    """Every public function and class has a docstring, every public function its type hints."""
    for node, owner in public_definitions(path):
        place = f"{name_of(path)}:{node.lineno}: {owner}{node.name}"
        if isinstance(node, ast.ClassDef):
            assert ast.get_docstring(node), f"{place} needs a docstring"
            continue
        if not owner:
            assert ast.get_docstring(node), f"{place} needs a docstring"
            assert node.returns is not None, f"{place} needs the type of its result"
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            bare = [argument.arg for argument in arguments if argument.annotation is None]
            assert not bare, f"{place} needs types of its arguments {bare}"


def public_definitions(
    path: Path,
) -> Iterator[tuple[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    """Public classes and functions of a module, and of its public classes, with their owner."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.parse(path.read_text("utf-8")).body:
        if not isinstance(node, kinds) or node.name.startswith("_") or node.name == "main":
            continue  # what `main` does, the docstring of its module says
        yield node, ""
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, kinds) and not part.name.startswith("_"):
                    yield part, f"{node.name}."


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_stay_short(path: Path):
    """A file that holds more than a reader can is to be split, one concept a file."""
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= 400, f"{name_of(path)} has {lines} lines: split it"


def test_no_path_of_one_machine():
    """Everything runs on a machine that is not ours."""
    kinds = {".py", ".md", ".toml", ".txt", ""}
    listed = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False
    ).stdout.split("\n")
    here = re.compile(r"(?<![\w.])/(?:work|home|root|Users|workspace)/\w")
    for path in (ROOT / name for name in listed if name and Path(name).suffix in kinds):
        if not path.is_file() or path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            assert not here.search(line), f"{name_of(path)}:{number}: a path of one machine"


@pytest.mark.parametrize("task", TASKS)
def test_every_setting_says_what_it_is(task: str):
    """`--help` tells the meaning of each option; a default must satisfy its own limits."""
    module, _, name = TASKS[task].settings.partition(":")
    cls = getattr(importlib.import_module(module), name)
    settings = cls()
    for field in inspect.get_annotations(cls):
        assert hasattr(settings, field)
    for field in dataclasses.fields(cls):
        told = f"{name}.{field.name} needs `setting(default, help)`"
        assert field.metadata.get("help"), told
