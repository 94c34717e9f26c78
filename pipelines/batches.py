"""Records as batches of few shapes: cached, shuffled by seed, bucketed by length, filled."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from pipelines.task import Contiguous, Record, Task, Tensors

MOST_BOUNDARIES = 6  # each is a shape, which XLA compiles anew; evaluation may add one


class Batches:
    """The records of one part as batches of `task.example`.

    Elements are computed and prepared once and kept in memory unpadded. A batch holds sequences of
    similar length, padded to the next of the `boundaries`, and always has `settings.batch_size`
    rows: where the sequences of a bucket run out, rows of length 0 fill the last batch. The windows
    of a `Contiguous` task keep their order.

    Args:
        task: whose `element` (or `windows`), `prepared`, `augment` and `example` are used.
        records: at least one.
    """

    def __init__(self, task: Task, records: Sequence[Record]) -> None:
        self.task = task
        self._batch_size = task.settings.batch_size
        self._in_order = isinstance(task, Contiguous)

        def elements() -> Iterator[dict[str, np.ndarray]]:
            if isinstance(task, Contiguous):
                return task.windows(records)
            return (task.element(record) for record in records)

        self._elements = (
            tf.data.Dataset.from_generator(elements, output_signature=task.element_spec)
            .apply(task.prepared)
            .cache()
        )
        lengths = self._elements.map(task.length).as_numpy_iterator()  # this fills the cache
        self.lengths = np.array(list(lengths), dtype=np.int64)

    def steps(self, boundaries: Sequence[int]) -> int:
        """Batches in one pass."""
        return sum(_batches(self.lengths, boundaries, self._batch_size))

    def once(self, boundaries: Sequence[int]) -> tf.data.Dataset:
        """One pass in a fixed order, nothing augmented."""
        pairs = self._elements.map(lambda element: (element, self.task.length(element)))
        batches = self._batched(pairs, boundaries)
        return _tuned(
            batches.apply(tf.data.experimental.assert_cardinality(self.steps(boundaries)))
        )

    def epochs(self, boundaries: Sequence[int], first: int, last: int) -> tf.data.Dataset:
        """The passes of epochs `first` to `last` (from 0, `last` excluded), one after the other.

        Each epoch's order, and each record's augmentation in it, depend on the seed, the epoch
        and the record alone: training that starts at epoch 7 sees what uninterrupted training
        sees from there.
        """
        seed = self.task.settings.seed
        draws = [np.random.SeedSequence((seed, epoch)) for epoch in range(first, last)]
        seeds = np.array([draw.generate_state(3) >> 1 for draw in draws], np.int32)
        numbered = self._elements.enumerate()

        def epoch(seed: tf.Tensor) -> tf.data.Dataset:
            def augmented(index: tf.Tensor, element: Tensors) -> tuple[Tensors, tf.Tensor]:
                own = tf.random.experimental.stateless_fold_in(seed[1:], tf.cast(index, tf.int32))
                element = self.task.augment(element, own)
                return element, self.task.length(element)

            if self._in_order:
                return self._batched(numbered.map(augmented), boundaries)
            tf.random.set_seed(1)  # of this function's graph: not 0, which shuffle cannot compare
            shuffled = numbered.shuffle(
                len(self.lengths), seed=tf.cast(seed[0], tf.int64), reshuffle_each_iteration=False
            )
            return self._batched(shuffled.map(augmented), boundaries)

        return _tuned(tf.data.Dataset.from_tensor_slices(seeds).flat_map(epoch))

    def _batched(self, pairs: tf.data.Dataset, boundaries: Sequence[int]) -> tf.data.Dataset:
        def filled(batch: Tensors, lengths: tf.Tensor):
            missing = self._batch_size - tf.shape(lengths)[0]

            def fill(tensor: tf.Tensor) -> tf.Tensor:
                rows = tf.pad(tensor, [[0, missing]] + [[0, 0]] * (tensor.shape.rank - 1))
                return tf.ensure_shape(rows, [self._batch_size, *tensor.shape[1:]])

            return self.task.example(tf.nest.map_structure(fill, batch), fill(lengths))

        return pairs.bucket_by_sequence_length(
            element_length_func=lambda element, length: length,
            bucket_boundaries=[boundary + 1 for boundary in boundaries],
            bucket_batch_sizes=[self._batch_size] * (len(boundaries) + 1),
            pad_to_bucket_boundary=True,
        ).map(filled)


def choose_boundaries(lengths: np.ndarray, batch_size: int) -> list[int]:
    """The lengths to which batches are padded: those quantiles of `lengths` that cost fewest
    steps, padding and filling included.

    A further boundary must save a twentieth of the steps, because every shape is compiled.

    >>> choose_boundaries(np.array([10] * 64 + [100] * 64), batch_size=32)
    [10, 100]
    """
    levels = [*np.linspace(0, 1, 25), *(1 - 0.5 ** np.arange(5, 12))]  # and the few longest
    candidates = np.unique(np.quantile(lengths, levels, method="higher").astype(int)).tolist()
    within = [0, *np.searchsorted(np.sort(lengths), candidates, side="right").tolist()]

    def steps(i: int, j: int) -> int:
        """Of those sequences that fit into the first j candidates, and not into the first i."""
        return math.ceil((within[j] - within[i]) / batch_size) * candidates[j - 1]

    best: tuple[float, list[int]] = math.inf, []
    fitting = [(0.0, []), *([best] * len(candidates))]  # the cheapest choice for each j
    for _ in range(MOST_BOUNDARIES):
        one_more = [
            min((fitting[i][0] + steps(i, j), [*fitting[i][1], last]) for i in range(j))
            for j, last in enumerate(candidates, 1)
        ]
        fitting = [(math.inf, []), *one_more]
        if fitting[-1][0] < 0.95 * best[0]:
            best = fitting[-1]
    return best[1]


def cover(boundaries: Sequence[int], lengths: np.ndarray) -> list[int]:
    """`boundaries`, and one more where some of `lengths` go beyond them."""
    longest = int(lengths.max(initial=0))
    return [*boundaries, longest] if longest > boundaries[-1] else list(boundaries)


def _batches(lengths: np.ndarray, boundaries: Sequence[int], batch_size: int) -> list[int]:
    buckets = np.searchsorted(boundaries, lengths)
    counts = np.bincount(buckets, minlength=len(boundaries))
    return [math.ceil(count / batch_size) for count in counts.tolist()]


def _tuned(batches: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    return batches.prefetch(2).with_options(options)
