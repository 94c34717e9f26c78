"""The video task: from clips to a model that says what happens in them, or in each frame."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.errors import UserError
from pipelines.label_metrics import compile_arguments
from pipelines.labelled import (
    NO_LABEL,
    NoLabelsError,
    check_known,
    check_taught,
    count_labels,
    label_numbers,
    learn_labels,
)
from pipelines.task import Answering, Reading, Served, Task, Tensors
from pipelines.video import (
    answering,
    asking,
    cache,
    encoders,
    floors,
    pictures,
    reading,
    sampling,
    serving,
    showing,
)
from pipelines.video.clips import Clip
from pipelines.video.decoding import watched
from pipelines.video.features import Features
from pipelines.video.model import VideoModel
from pipelines.video.scores import joined, scores
from pipelines.video.settings import VideoOptions, VideoSettings
from pipelines.video.tensors import (
    check_frame,
    frame_of,
    group_number,
    load,
    moments,
)

PICTURES_SEEN = 16  # of a clip, where --frames does not say


class VideoTask(Task[Clip, VideoSettings], Answering):
    """Many-to-one: what a clip is; with `per_frame` many-to-many: what each of its frames is.

    A record is a `Clip`, whose frames lie in a file. Elements hold the places of frames and no
    frames: these are read when a batch is made, while the batch before is computed, so that neither
    memory nor time is spent on what a batch does not show.
    """

    name = "video"
    Settings = VideoSettings
    Options = VideoOptions
    metrics = ("top1", "mean_class_accuracy", "nll")
    selection = "val_nll"

    def __init__(self, settings: VideoSettings, learnt: dict[str, Any] | None = None) -> None:
        super().__init__(settings, learnt)
        self._features: Features | None = None
        encoders.check(settings.encoder)
        own = settings.encoder == encoders.OWN
        if own and (settings.encoder_weights or settings.fine_tune):
            raise UserError(
                "--encoder-weights and --fine-tune need --encoder with a network of "
                "keras.applications, as MobileNetV2. Received: --encoder cnn."
            )
        if not own and not (settings.encoder_weights or settings.fine_tune):
            raise UserError(
                f"--encoder {settings.encoder} is frozen, and frozen random weights see nothing. "
                "Give --encoder-weights FILE, or train it with --fine-tune."
            )
        if settings.mirror and not (own or settings.fine_tune):
            raise UserError(
                f"--mirror: the features of a frozen {settings.encoder} are computed once. Use "
                "--encoder cnn or --fine-tune."
            )

    # --- data -----------------------------------------------------------------------------------

    def read(self, source: str | None) -> Reading[Clip]:
        if not self.learnt:
            return reading.read_clips(source, self.settings)
        try:
            found = reading.read_clips(source, self.settings)
        except NoLabelsError:
            found = reading.read_clips(source, self.settings, labelled=False)
        self._check_known(list(itertools.chain(*found.parts.values())))
        return found

    def _check_known(self, clips: Sequence[Clip]) -> None:
        """Labels and frames are those that were learnt."""
        check_known(clips, self.learnt["labels"])
        self._check_frames(clips)

    def _check_frames(self, clips: Sequence[Clip]) -> None:
        for clip in clips:
            check_frame(clip, tuple(self.learnt["frame"]), "this model was trained on")

    def linked(self, parts: dict[str, list[Clip]]) -> dict[str, list[Clip]]:
        return reading.grouped(parts)

    def check_parts(self, parts: Mapping[str, Sequence[Clip]]) -> None:
        """What is validated and tested must have labels and frames that training can teach."""
        check_taught(parts, "clips")
        first = parts["train"][0]
        frame = frame_of(first)
        for clip in itertools.chain(*parts.values()):
            check_frame(clip, frame, f"the first clip, {first.name}, has")

    def learn(self, records: Sequence[Clip]) -> dict[str, Any]:
        settings = self.settings
        labels = learn_labels(records, "Give clips of another class.")
        frame = frame_of(records[0])
        seen = settings.frames
        if seen is None and len(frame) == 3:
            seen = PICTURES_SEEN
        self.learnt = {
            "labels": labels,
            "frame": list(frame),
            "frames": None if settings.per_frame else seen,
            "mean": None,
            "spread": None,
            "weights": "",
        }
        if len(frame) == 1:
            if settings.encoder != encoders.OWN or settings.mirror:
                raise UserError("--encoder and --mirror are for pictures. Received: vectors.")
            mean, spread = moments(records)
            self.learnt |= {"mean": mean.tolist(), "spread": spread.tolist()}
        elif settings.encoder_weights:
            self.model()  # tells at once what is wrong with the network or its weights
            self.learnt["weights"] = encoders.digest(settings.encoder_weights)
            if self._reads_features:
                for _ in watched(map(self.element, records), len(records), "features of clips"):
                    pass
        return self.learnt

    def describe(self, records: Sequence[Clip]) -> dict[str, str]:
        counts = [clip.count for clip in records]
        frame = frame_of(records[0])
        kind = f"{frame[1]} x {frame[0]} x {frame[2]}" if len(frame) == 3 else f"{frame[0]} numbers"
        bytes_a_frame = int(np.prod(frame)) * (1 if len(frame) == 3 else 4)
        found = {
            "frames": str(sum(counts)),
            "a frame": kind,
            "frames a clip": f"{min(counts)} to {max(counts)}, median {np.median(counts):.0f}",
        }
        if len(frame) == 3:
            seconds = sum(counts) / self.settings.rate
            found["seconds"] = f"{seconds:.1f}, at {self.settings.rate:g} frames a second"
        return {
            **found,
            "groups": str(len({clip.group for clip in records})),
            "labels": count_labels(records),
            "in the cache": f"{sum(counts) * bytes_a_frame / 1e6:.1f} MB in {cache.folder()}",
        }

    # --- tensors --------------------------------------------------------------------------------

    @property
    def _reads_features(self) -> bool:
        """Whether a frozen network's features stand for the pictures. Where its file of weights is
        gone, the model, which has them too, reads the pictures themselves."""
        settings = self.settings
        return (
            settings.encoder != encoders.OWN
            and not settings.fine_tune
            and Path(settings.encoder_weights).is_file()
        )

    @property
    def element_spec(self) -> dict[str, tf.TensorSpec]:
        return {
            "store": tf.TensorSpec((), tf.string),
            "first": tf.TensorSpec((), tf.int32),
            "count": tf.TensorSpec((), tf.int32),
            "places": tf.TensorSpec((None,), tf.int32),
            "mirror": tf.TensorSpec((), tf.bool),
            "group": tf.TensorSpec((), tf.int32),
            "label": tf.TensorSpec((None,) if self.settings.per_frame else (), tf.int32),
        }

    def element(self, record: Clip) -> dict[str, Any]:
        store, first = record.store, record.first
        if self._reads_features:
            if self._features is None:
                network = self.settings.encoder, self.learnt["weights"]
                self._features = Features(self.model(), network)
            store, first = self._features.store(record), 0
        numbers = label_numbers(record, self.learnt["labels"])
        if self.settings.per_frame and record.labels is None:
            numbers = np.full(record.count, NO_LABEL, np.int32)
        return {
            "store": store,
            "first": first,
            "count": record.count,
            "places": asking.seen(record.count, *self._sampling),
            "mirror": False,
            "group": group_number(record.group),
            "label": numbers if self.settings.per_frame else numbers[0],
        }

    @property
    def _sampling(self) -> tuple[int | None, str]:
        return self.learnt["frames"], self.settings.sampling

    def length(self, element: Tensors) -> tf.Tensor:
        return tf.shape(element["places"])[0]

    def augment(self, element: Tensors, seed: tf.Tensor) -> Tensors:
        """Other frames of the clip in every epoch; with `mirror`, half the clips turned round."""
        frames, how = self._sampling
        changed = dict(element)
        if frames is not None:
            draws = tf.random.stateless_uniform((1, frames), seed)
            changed["places"] = sampling.places(element["count"][None], frames, how, draws)[0]
        if self.settings.mirror:
            changed["mirror"] = tf.random.stateless_uniform((), seed + 1) < 0.5
        return changed

    def example(self, batch: Tensors, lengths: tf.Tensor) -> tuple[Any, Any, Any]:
        pictures = len(self.learnt["frame"]) == 3
        features = pictures and self._reads_features
        dtype = tf.uint8 if pictures and not features else tf.float32
        places = batch["first"][:, None] + batch["places"]
        frames = tf.numpy_function(load, [batch["store"], places, lengths], dtype, stateful=False)
        shape = (None,) if features else self.learnt["frame"]
        frames = tf.ensure_shape(frames, (*places.shape, *shape))
        if self.settings.mirror:
            turned = tf.reverse(frames, [3])
            frames = tf.where(batch["mirror"][:, None, None, None, None], turned, frames)
        if self.settings.per_frame:
            weight = tf.sequence_mask(lengths, tf.shape(places)[1], dtype=tf.float32)
        else:
            weight = tf.cast(lengths > 0, tf.float32)
        x = {"frames": frames, "steps": tf.maximum(lengths, 1), "group": batch["group"]}
        return x, batch["label"], weight

    # --- model and scores -----------------------------------------------------------------------

    def model(self) -> keras.Model:
        settings, learnt = self.settings, self.learnt
        model = VideoModel(
            frame=learnt["frame"],
            labels=len(learnt["labels"]),
            encoder=settings.encoder,
            filters=settings.filters,
            features=settings.features,
            places=settings.places,
            fine_tune=settings.fine_tune,
            cell=settings.cell,
            units=settings.units,
            layers=settings.layers,
            bidirectional=settings.bidirectional,
            dropout=settings.dropout,
            bptt_steps=settings.bptt_steps,
            differences=settings.differences,
            per_frame=settings.per_frame,
            mean=learnt["mean"],
            spread=learnt["spread"],
        )
        model.build()
        if settings.encoder_weights:
            encoders.load_weights(model.encoder, settings.encoder, settings.encoder_weights)
        return model

    def compile_arguments(self) -> dict[str, Any]:
        return compile_arguments("top1")

    def scores(self, model: keras.Model, batches: tf.data.Dataset) -> dict[str, float]:
        @tf.function(reduce_retracing=True, autograph=False)
        def answer(frames: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
            return tf.nn.softmax(model({"frames": frames, "steps": steps}, training=False))

        def collected() -> Iterator[tuple[np.ndarray, ...]]:
            for x, wanted, weight in batches:
                counts = weight.numpy() > 0
                groups = x["group"].numpy()
                if counts.ndim == 2:
                    groups = np.broadcast_to(groups[:, None], counts.shape)
                found = answer(x["frames"], x["steps"]).numpy()
                yield found[counts], wanted.numpy()[counts], groups[counts]

        return scores(*joined(collected()))

    def fit_floors(self, records: Sequence[Clip]) -> dict[str, np.ndarray]:
        described = np.concatenate([self._described(clip) for clip in records])
        return floors.fit(described, self._truth(records), len(self.learnt["labels"]))

    def floors(
        self, fitted: dict[str, np.ndarray], records: Sequence[Clip]
    ) -> dict[str, dict[str, float]]:
        described = (row for clip in records for row in self._described(clip))
        repeats = [clip.count if self.settings.per_frame else 1 for clip in records]
        groups = np.repeat([group_number(clip.group) for clip in records], repeats)
        return floors.floor_scores(fitted, described, self._truth(records), groups)

    def _described(self, clip: Clip) -> np.ndarray:
        """(1, m) of a clip, or (T, m) of its frames: what the floor knows."""
        element = self.element(clip)
        frames = cache.rows(element["store"], element["first"] + element["places"])
        if self.settings.per_frame:
            return floors.describe_frames(frames)
        return floors.describe_clip(frames)[None]

    def _truth(self, records: Sequence[Clip]) -> np.ndarray:
        return np.concatenate([np.atleast_1d(self.element(clip)["label"]) for clip in records])

    def plots(self, model: keras.Model, records: Sequence[Clip], folder: str) -> None:
        """`confusion.png`, `contact_sheet.png`, and `groups.png` with `groups.csv` where the data
        name groups."""
        answers = list(self._asked(model, records))
        pictures.draw(answers, self.learnt["labels"], self.settings.rate, Path(folder))

    # --- use ------------------------------------------------------------------------------------

    def _asked(self, model: keras.Model, records: Iterable[Clip]) -> Iterator[asking.Answer]:
        return asking.ask(model, records, *self._sampling, self.settings.batch_size)

    def predict(self, model: keras.Model, records: Sequence[Clip]) -> list[dict[str, Any]]:
        """The likeliest label of each clip, its probability, that of each label, and how they went
        over time; with `per_frame` the stretches of one label."""
        self._check_known(records)
        return [self._answer(answer) for answer in self._asked(model, records)]

    def _answer(self, answer: asking.Answer) -> dict[str, Any]:
        return answering.as_columns(
            answer, self.learnt["labels"], self.settings.rate, self.settings.per_frame
        )

    def answers(
        self, model: keras.Model, texts: Sequence[str], input: str | None, options: VideoOptions
    ) -> Iterator[dict[str, Any]]:
        """A row a clip; `texts` are names of clips."""
        labels = self.learnt["labels"]
        if options.sheet and not options.sheet.endswith(".png"):
            raise UserError(f"--sheet must end in .png. Received: {options.sheet}.")
        if texts:
            records = answering.named_clips(texts, self.settings)
        else:
            found = reading.read_clips(str(input), self.settings, labelled=False)
            records = [answering.judged(clip, labels) for clip in answering.clips_of(found)]
        self._check_frames(records)
        drawn: list[asking.Answer] = []
        for answer in self._asked(model, records):
            if len(drawn) < pictures.SHOWN:
                drawn.append(answer)
            yield self._answer(answer)
        if options.sheet:
            pictures.contact_sheet(drawn, labels, self.settings.rate, Path(options.sheet))

    def show(self, answers: Iterable[dict[str, Any]]) -> Iterator[Any]:
        return showing.show(answers)

    def served(self, model: keras.Model) -> Served:
        return serving.served(
            model, self.learnt["labels"], *self._sampling, rate=self.settings.rate
        )

    def requests(self, records: Sequence[Clip]) -> dict[str, dict[str, np.ndarray]]:
        return serving.requests(records, self.settings.bidirectional)
