"""What `rnnkit predict` gives for a run of the dna task: answers in a stream."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.dna import fasta, mutagenesis, reading, scanning, variants
from pipelines.dna.alphabets import ALPHABETS
from pipelines.dna.model import DNAModel
from pipelines.dna.scoring import ROWS, score_all, scorer
from pipelines.dna.sequences import BioSequence
from pipelines.dna.settings import DNAOptions, DNASettings
from pipelines.dna.tracks import PROBABILITY
from pipelines.errors import UserError, unknown_name
from pipelines.sources import TOLD
from pipelines.task import Dropped

Answer = dict[str, Any]
NO_FINDING = ("decoy", "none", "shuffled")  # labels of nothing, which no .bed shows
PER_BASE_WINDOW = 500
LONGEST = 100_000  # letters that are answered at once: recurrent steps keep no memory that far


class Answerer:
    """Answers with one model under one set of options.

    Args:
        model: the trained model.
        settings: of its run.
        learnt: what the task learnt of its data.
        options: of `rnnkit predict`.

    Raises:
        UserError: options that do not go with the model or with each other.
    """

    def __init__(
        self,
        model: DNAModel,
        settings: DNASettings,
        learnt: dict[str, Any],
        options: DNAOptions,
    ) -> None:
        genome = options.genome or settings.genome
        self._settings = dataclasses.replace(settings, genome=genome)
        self._options = options
        self._labels: list[str] = learnt["labels"]
        self._length: int | None = learnt["length"]
        self._score = scorer(model)
        self._notes, self._last = 0, ""
        if options.target is not None and options.target not in self._labels:
            raise unknown_name("label", options.target, self._labels)
        if settings.per_base and (options.mutagenesis or options.variants):
            raise UserError(
                "--mutagenesis and --variants need a model with a label a sequence. Received: one "
                "with labels of letters (--per-base)."
            )
        if options.window is not None and self._length not in (None, options.window):
            raise UserError(
                f"--window must be {self._length}, the length of all sequences the model was "
                f"trained on. Received: {options.window}. Leave it out."
            )
        if options.window is not None and options.step > options.window:
            raise UserError(
                f"--step must be at most --window {options.window}. Received: {options.step}."
            )

    @property
    def _window(self) -> int | None:
        return self._options.window or self._length

    # --- the ways -------------------------------------------------------------------------------

    def answers(self, texts: Sequence[str], source: str | None) -> Iterator[Answer]:
        """The answers for typed sequences, or for a file or a folder.

        Raises:
            UserError: nothing there could be answered, or it is none of the known kinds.
        """
        count = 0
        for found in self._of_texts(texts) if texts else self._of_source(str(source)):
            count += 1
            yield found
        if self._notes > TOLD:
            print(f"{self._notes} such remarks in all", file=sys.stderr)
        if not count:
            last = f" Last: {self._last}" if self._last else ""
            raise UserError(f"{source or 'the text'}: nothing in it could be answered.{last}")

    def _of_texts(self, texts: Sequence[str]) -> Iterator[Answer]:
        if self._options.variants:
            raise UserError("--variants needs the genome as a file: --input GENOME.fa")
        records = []
        for number, text in enumerate(texts, 1):
            kind = ALPHABETS[self._settings.alphabet]
            letters = kind.trimmed("".join(text.split()).upper())
            place = kind.stranger(letters)
            if place is not None or not letters:
                found = "an empty text"
                if place is not None:
                    found = fasta.wrong_letter(letters[place], self._settings.alphabet)
                    found = f"letter {place + 1}: {found}"
                raise UserError(f"text {number}: expected a sequence. Received: {found}.")
            records.append(BioSequence(f"text-{number}", letters))
        if self._options.mutagenesis:
            yield from self._explained(records)
        elif self._window is not None and not self._settings.per_base:
            pieces: list[fasta.Header | fasta.Letters] = []
            for record in records:
                pieces += [fasta.Header(record.name, 1), fasta.Letters(record.letters, 1, 1)]
            yield from self._scanned(pieces)
        else:
            yield from self._whole(records)

    def _of_source(self, source: str) -> Iterator[Answer]:
        path = Path(source)
        is_fasta = path.is_file() and fasta.kind(path) in fasta.SUFFIXES
        if self._options.variants:
            if not is_fasta:
                raise UserError(f"{source}: --variants needs the genome, a FASTA file, as --input.")
            yield from self._variants(path)
        elif self._options.mutagenesis:
            yield from self._explained(self._records(source))
        elif is_fasta and (self._window is not None or self._settings.per_base):
            yield from self._scanned_file(path)
        else:
            if is_fasta:
                _check_lengths(path)
            yield from self._whole(self._records(source))

    # --- parts of a sequence ----------------------------------------------------------------------

    def _scanned_file(self, path: Path) -> Iterator[Answer]:
        with fasta.open_file(path) as (file, position):
            pieces = fasta.read_pieces(path, file)
            known = scanning.repaired(pieces, path, self._settings.alphabet)
            rows = self._scan(known, str(path))
            yield from self._scored(scanning.with_progress(rows, path, position))

    def _scanned(self, pieces: Iterable[fasta.Header | fasta.Letters]) -> Iterator[Answer]:
        yield from self._scored(self._scan(pieces, ""))

    def _scan(
        self, pieces: Iterable[fasta.Header | fasta.Letters | str], place: str
    ) -> Iterator[scanning.Scored | str]:
        return scanning.scan(
            pieces,
            self._score,
            self._window or PER_BASE_WINDOW,
            min(self._options.step, self._window or PER_BASE_WINDOW),
            per_base=self._settings.per_base,
            place=place,
        )

    def _scored(self, rows: Iterable[scanning.Scored | str]) -> Iterator[Answer]:
        for row in rows:
            if isinstance(row, str):
                self._note(row)
                continue
            place = {"chromosome": row.name, "start": row.start, "end": row.end}
            seen = {"window_start": row.window[0], "window_end": row.window[1]}
            yield {**place, **seen, **self._answer(row.probabilities)}

    # --- whole sequences --------------------------------------------------------------------------

    def _records(self, source: str) -> Iterator[BioSequence]:
        for record in reading.stream(source, self._settings):
            if isinstance(record, Dropped):
                self._note(f"left out: {record.place}: {record.reason}")
            else:
                yield record

    def _fitting(self, records: Iterable[BioSequence]) -> Iterator[BioSequence]:
        for record in records:
            _check_length(record.name, len(record.letters))
            if reason := unfit(len(record.letters), self._length):
                self._note(f"left out: {record.name}: {reason}")
            else:
                yield record

    def _whole(self, records: Iterable[BioSequence]) -> Iterator[Answer]:
        remaining = self._fitting(records)
        while batch := list(itertools.islice(remaining, ROWS)):
            answers = score_all(self._score, (record.letters for record in batch))
            for record, probabilities in zip(batch, answers, strict=True):
                yield {**about(record), **self._answer(probabilities)}

    def _explained(self, records: Iterable[BioSequence]) -> Iterator[Answer]:
        yield from mutagenesis.explain(
            self._fitting(records),
            self._score,
            self._settings.alphabet,
            self._labels,
            self._options.target,
            Path(str(self._options.mutagenesis)),
        )

    def _variants(self, genome: Path) -> Iterator[Answer]:
        if self._window is None:
            raise UserError(
                "--variants needs --window N, the letters to look at around a variant, because the "
                "model was trained on sequences of several lengths."
            )
        alphabet = self._settings.alphabet
        file = Path(str(self._options.variants))
        for row in variants.score_variants(
            file, genome, self._score, alphabet, self._labels, self._window
        ):
            if isinstance(row, str):
                self._note(row)
            else:
                yield row

    # --- answers and notes ------------------------------------------------------------------------

    def _answer(self, probabilities: np.ndarray) -> Answer:
        return answer(probabilities, self._labels, self._options.threshold)

    def _note(self, text: str) -> None:
        """On stderr, so that no answer covers less in silence; after some only their number."""
        if not isinstance(text, scanning.Progress):
            self._notes, self._last = self._notes + 1, text
        if self._notes <= TOLD or isinstance(text, scanning.Progress):
            print(text, file=sys.stderr)


def _check_lengths(path: Path) -> None:
    """Looks through a FASTA file before anything of it is computed, in constant memory."""
    name, count = "", 0
    for piece in fasta.read_pieces(path):
        if isinstance(piece, fasta.Header):
            name, count = f"{path}:{piece.line}", 0
        else:
            count += len(piece.text)
            _check_length(name, count)


def _check_length(name: str, count: int) -> None:
    if count > LONGEST:
        raise UserError(
            f"{name}: expected at most {LONGEST} letters. Received: more. The model was trained on "
            "sequences of several lengths: give --window N, and a FASTA file is scanned with "
            "windows of N letters."
        )


def unfit(length: int, trained: int | None) -> str | None:
    """Why the model cannot take a sequence of `length` letters; None if it can."""
    if trained is not None and length != trained:
        return (
            f"{length} letters, but all sequences the model was trained on have {trained}; a FASTA "
            "file of longer ones is scanned"
        )
    return None


def about(record: BioSequence) -> Answer:
    """What is known of a sequence: the columns of its table, or its name and place."""
    if record.columns:
        return dict(record.columns)
    if record.chromosome is not None and record.span is not None:
        start, end = record.span
        return {
            "name": record.name,
            "chromosome": record.chromosome,
            "start": start,
            "end": end,
        }
    return {"name": record.name}


def answer(probabilities: np.ndarray, labels: Sequence[str], threshold: float = 0.5) -> Answer:
    """The likeliest label, its probability, the call (the label if it is a finding and likely
    enough) and the probability of every label; of letters with labels, their regions too."""
    if probabilities.ndim == 2:
        best = [labels[k] for k in probabilities.argmax(1)]
        return {
            "regions": regions(best),
            "labels": best,
            "probability": np.round(probabilities.max(1), 4).tolist(),
        }
    k = int(probabilities.argmax())
    called = labels[k] not in NO_FINDING and probabilities[k] >= threshold
    return {
        "predicted": labels[k],
        "probability": float(probabilities[k]),
        "call": labels[k] if called else None,
        **{PROBABILITY + name: float(p) for name, p in zip(labels, probabilities, strict=True)},
    }


def regions(labels: Sequence[str]) -> str:
    """Labels of letters as places, counted from 0, the end excluded.

    >>> regions(["exon", "exon", "intron"])
    'exon 0-2, intron 2-3'
    """
    found, start = [], 0
    for label, group in itertools.groupby(labels):
        end = start + len(list(group))
        found.append(f"{label} {start}-{end}")
        start = end
    return ", ".join(found)
