"""What a comparison needs of a task works for each: sizes, and the gradient at the first step."""

from __future__ import annotations

import keras
import pytest

from pipelines import TASKS, sources
from pipelines.diagnosis import first_batch
from pipelines.run import task_class
from rnnkit import gradient_flow
from tests import zoo
from tuning.comparison_run import first_step_gradient
from tuning.parameters import count_of, solve_units


@pytest.mark.parametrize("name", TASKS)
def test_a_task_can_be_compared(name: str, tmp_path):
    """A task whose model cannot be counted, or followed, would fail after its first training."""
    sample = zoo.TASKS[name]
    cls = task_class(name)
    source = None if sample.write is None else str(sample.write(tmp_path))
    task = cls(cls.Settings.from_dict(sample.settings))
    records = sources.load(task, source).parts["train"]
    task.learn(records)
    count = count_of(task, "gru", 5)
    assert 0 < count.recurrent < count.whole
    assert solve_units(task, "gru", count.whole) == (5, count)
    gradient = first_step_gradient(task, records)
    assert gradient is None or gradient >= 0
    if name in ("music", "ner", "adding", "copy", "charlm"):
        assert gradient is not None
    if name == "ner":  # whose first recurrent layer reads the characters of a word
        keras.utils.set_random_seed(task.settings.seed)
        model, (x, y, weight) = task.model(), first_batch(task, records, None)[0]
        loss = task.compile_arguments()["loss"]
        layers = gradient_flow(model, (x, y, weight), loss, steps=[0]).layers
        over_words = [each for each in layers if each.real.shape[0] == weight.shape[0]]
        assert gradient == pytest.approx(over_words[0].maps["h"][-1][0])
        assert layers[0].real.shape[0] > weight.shape[0]
