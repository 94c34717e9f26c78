"""What the documentation shows works, word for word."""

import doctest
import importlib
import inspect
import pkgutil

import keras
import pytest

import rnnkit

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules():
    names = [m.name for m in pkgutil.walk_packages(rnnkit.__path__, "rnnkit.")]
    engines = "engine_tensorflow", "engine_jax"  # each needs its backend
    return [importlib.import_module(n) for n in names if not n.endswith(engines)]


def examples():
    finder = doctest.DocTestFinder()
    names = {"rnnkit": rnnkit, "keras": keras}
    found = (test for module in modules() for test in finder.find(module, extraglobs=names))
    return [test for test in found if test.examples]


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_the_example_runs(example):
    output = []
    failed, _ = doctest.DocTestRunner(optionflags=OPTIONS).run(example, out=output.append)
    assert not failed, "".join(output)


PUBLIC = [
    value for value in vars(rnnkit).values() if inspect.isclass(value) and value is not rnnkit.Cell
]


@pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.__name__)
def test_every_public_class_has_an_example(kind):
    assert ">>>" in kind.__doc__, f"show in the docstring of {kind.__name__} how it is used"
    assert "Args:" in kind.__doc__


@pytest.mark.parametrize("name", [n for n in rnnkit.CELLS if not n.startswith("keras_")])
def test_every_cell_shows_its_equations_and_its_paper(name):
    kind = rnnkit.CELLS[name]
    assert "h_t = " in kind.__doc__
    assert "Reference:" in kind.__doc__
    assert kind.paper
