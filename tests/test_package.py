"""What a wheel of this project holds and needs."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
TOPS = ("rnnkit", "pipelines", "tuning")


def files(pattern: str) -> list[Path]:
    found = (path for top in TOPS for path in (ROOT / top).rglob(pattern) if path.is_file())
    return sorted(path.relative_to(ROOT) for path in found if "__pycache__" not in path.parts)


def test_every_module_is_in_the_wheel():
    """An installed rnnkit has every module of the tree: no folder without __init__.py, none that
    the list of packages leaves out."""
    listed = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    for path in files("*.py"):
        package = ".".join(path.parent.parts)
        assert (ROOT / path).with_name("__init__.py").exists(), f"{path.parent} needs __init__.py"
        assert any(fnmatch.fnmatchcase(package, pattern) for pattern in listed), package


def test_every_other_file_is_declared():
    """A data file that the wheel lacks would be missed only after installing."""
    declared = PROJECT["tool"]["setuptools"].get("package-data", {})
    for path in files("*"):
        if path.suffix in (".py", ".pyc"):
            continue
        patterns = [pattern for each in declared.values() for pattern in each]
        assert any(fnmatch.fnmatch(path.as_posix(), f"*/{pattern}") for pattern in patterns), (
            f"{path}: list it under [tool.setuptools.package-data]"
        )


def test_every_dependency_has_a_tested_version():
    """`pip install -c constraints.txt` gives the versions that were tested, of everything."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {plain(line.partition("==")[0]) for line in lines if "==" in line}
    assert all("==" in line or line.startswith("#") for line in lines)
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [*PROJECT["project"]["dependencies"], *(r for each in extras.values() for r in each)]
    names = {plain(re.match(r"[\w.-]+", each)[0]) for each in wanted} - {"rnnkit"}
    assert names <= pinned, f"add tested versions of {sorted(names - pinned)} to constraints.txt"


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.prove
def test_a_wheel_works_in_a_clean_environment(tmp_path):
    """Built, installed from the registry, and called beside somebody else's `pipelines/`."""
    built = tmp_path / "wheels"
    call(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", built, ROOT)
    (wheel,) = built.glob("rnnkit-*.whl")
    venv.create(tmp_path / "clean", with_pip=True)
    python, rnnkit = (tmp_path / "clean" / "bin" / name for name in ("python", "rnnkit"))
    constraints = ROOT / "constraints.txt"
    call(python, "-m", "pip", "install", "-q", "-c", constraints, f"{wheel}[music]")

    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "pipelines").mkdir(parents=True)
    (elsewhere / "pipelines" / "__init__.py").write_text("raise SystemExit('wrong pipelines')")
    assert '"tasks"' in call(rnnkit, "tasks", "--json", cwd=elsewhere)
    assert '"lstm"' in call(rnnkit, "cells", "--json", cwd=elsewhere)

    from tests import zoo

    source = zoo.TASKS["music"].write(elsewhere)
    settings = ("--units", "8", "--epochs", "1", "--run", "run")
    call(rnnkit, "train", "music", "--data", source, *settings, cwd=elsewhere)
    call(rnnkit, "generate", "run", "--out", "new.mid", cwd=elsewhere)
    assert "saved_models" in call(rnnkit, "export", "run", cwd=elsewhere)
    assert (elsewhere / "new.mid").stat().st_size


def call(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
    return done.stdout
