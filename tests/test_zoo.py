"""Nothing public without a row in the zoo: what is not listed there is not proven."""

import importlib
import inspect
import pkgutil
import sys

import keras
import pytest

import pipelines
import rnnkit
from pipelines.task import Contiguous
from rnnkit.reference import REFERENCE
from tests import zoo


def test_every_cell_has_a_row():
    missing = set(rnnkit.CELLS) ^ (set(zoo.CELLS) | set(zoo.BASELINES))
    assert not missing, f"rnnkit.CELLS and tests/zoo.py differ: add a row for {sorted(missing)}"


def test_the_row_makes_the_cell_of_its_name():
    rows = {name: type(make()) for name, make in zoo.CELLS.items()} | zoo.BASELINES
    assert rows == rnnkit.CELLS


def test_every_cell_has_a_numpy_reference():
    missing = set(zoo.CELLS) ^ set(REFERENCE)
    assert not missing, f"add to rnnkit/reference/: {sorted(missing)}"


def test_every_public_class_has_a_row():
    tables = zoo.CELLS, zoo.WRAPPERS, zoo.LAYERS, zoo.ATTENTIONS
    made = [make() for table in tables for make in table.values()]
    covered = {type(thing) for thing in made} | set(zoo.OTHERS.values())
    public = {value for value in vars(rnnkit).values() if inspect.isclass(value)}
    missing = {kind.__name__ for kind in public - covered}
    assert not missing, f"add a row to tests/zoo.py for {sorted(missing)}"


def test_all_lists_every_public_class():
    public = {name for name, value in vars(rnnkit).items() if inspect.isclass(value)}
    assert public <= set(rnnkit.__all__)
    assert list(rnnkit.__all__) == sorted(
        rnnkit.__all__, key=lambda name: (not name.isupper(), name)
    )


@pytest.mark.parametrize("name", [*zoo.CELLS, *zoo.WRAPPERS, *zoo.LAYERS, "PerGate"])
def test_registered_so_that_a_keras_file_loads_without_custom_objects(name):
    tables = {**zoo.CELLS, **zoo.WRAPPERS, **zoo.LAYERS}
    thing = {**tables, "PerGate": lambda: rnnkit.PerGate("zeros", 1)}[name]()
    kind = type(thing)
    assert keras.saving.get_registered_object(f"rnnkit>{kind.__name__}") is kind


def test_import_rnnkit_is_enough_for_every_layer_to_load():
    """A class in a module that nobody imports is one that `load_model` does not know."""
    for module in pkgutil.walk_packages(rnnkit.__path__, "rnnkit."):
        if not module.name.startswith("rnnkit.engine_"):  # those need their backend
            importlib.import_module(module.name)
    registered = {
        kind
        for kind in keras.saving.get_custom_objects().values()
        if kind.__module__.startswith("rnnkit.")
        and kind.__module__ != "rnnkit.convert_addons"
        and hasattr(sys.modules[kind.__module__], kind.__name__)  # not of a docstring's example
    }
    assert {rnnkit.RNN, rnnkit.CRFLoss} < registered
    missing = {kind.__name__ for kind in registered if not hasattr(rnnkit, kind.__name__)}
    assert not missing, f"import into rnnkit/__init__.py: {sorted(missing)}"


def test_every_task_has_a_row():
    missing = set(pipelines.TASKS) ^ set(zoo.TASKS)
    assert not missing, f"pipelines.TASKS and tests/zoo.py differ: add a row for {sorted(missing)}"


@pytest.mark.parametrize("name", zoo.TASKS)
def test_the_sample_of_a_task_can_be_read(name, tmp_path):
    sample = zoo.TASKS[name]
    module, _, kind = pipelines.TASKS[name].task.partition(":")
    task = getattr(importlib.import_module(module), kind)
    source = None if sample.write is None else str(sample.write(tmp_path))
    reading = task(task.Settings(**sample.settings)).read(source)
    least = 1 if issubclass(task, Contiguous) else 10  # a stream is one record
    assert sum(len(records) for records in reading.parts.values()) >= least
    assert not reading.dropped
