"""Reads tagged sentences: the one door to all their sources."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.errors import UserError
from pipelines.ner import columns, schemes
from pipelines.ner.sentences import Sentence, content
from pipelines.task import Dropped, Reading
from pipelines.text.files import kind

DEFAULT = Path(__file__).with_name("sentences.conll")
SUFFIXES = {
    *("", ".conll", ".txt", ".tsv", ".tab", ".iob", ".iob1", ".iob2", ".bio", ".iobes", ".bioes"),
    *(".train", ".dev", ".valid", ".test", ".testa", ".testb", ".tags", ".pos", ".annotated"),
}
KINDS = f"a file of columns ({columns.TOKEN_AND_TAG}), or a folder of such files"
LONGEST = 1000  # tokens of a sentence
NAMED = 3  # violations in a message
PARTS = {  # a file of a folder belongs to the first part whose pattern its name holds
    "valid": r"dev|valid|testa",
    "train": r"train",
    "test": r"test",
}


@dataclass(frozen=True)
class Tagged:
    """A sentence as its source has it, before its scheme is known."""

    part: str
    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    places: tuple[str, ...]  # of each token, for messages
    document: str


def read_sentences(source: str | None, *, scheme: str = "auto", tag_column: str = "") -> Reading:
    """The tagged sentences of a source, in the scheme `pipelines.ner.schemes.INSIDE`.

    Args:
        source: a file or a folder of columns; `tfds:NAME`; None: the sentences of this package.
        scheme: "auto" takes the scheme whose rules hold in the whole source; "iob1", "iob2" or
            "iobes" leaves out the sentences that break its rules; "none" takes the last column as
            labels of any kind.
        tag_column: where the tags are: the number of a column, from 1, or the name of a feature.
            Default: the last column; of a data set of TFDS `ner`, `tags`, or the only one.

    Returns:
        Under "train", "valid" and "test" where the names of files or the data set tell these, else
        under "all".

    Raises:
        UserError: nothing can be read, or the tags follow the rules of no scheme.
    """
    remarks: list[str] = []
    if source is not None and source.startswith("tfds:"):
        from pipelines.ner.datasets import read_dataset  # imports TensorFlow Datasets

        every: Iterable[Tagged] = read_dataset(source, tag_column)
    else:
        path = DEFAULT if source is None else Path(source)
        files, remarks = files_of_columns(path)
        every = [
            tagged
            for part, file in files
            for tagged in _tagged(file, part, scheme == "none", _number(tag_column))
        ]
    found, dropped = _without_long_ones(every)
    name = source or "the embedded sentences"
    if not found:
        more = f" Left out: {dropped[0].place}: {dropped[0].reason}" if dropped else ""
        raise UserError(f"{name}: no sentences there. Expected {KINDS}.{more}")
    if scheme == "none":
        words = "a label per token"
    else:
        if scheme == "auto":
            scheme = _recognise(found, name)
        found, broken = _converted(found, scheme)
        dropped += broken
        words = f"tags in {scheme}"
    if not found:
        raise UserError(
            f"{dropped[0].place}: {dropped[0].reason}. Not one sentence of {name} follows "
            f"{scheme}. Without --scheme {scheme} the scheme is found by itself."
        )
    parts: dict[str, list[Sentence]] = {}
    documents: dict[str, str] = {}
    for each in found:
        parts.setdefault(each.part, []).append(_sentence(each, documents))
    if "train" not in parts:  # such as a folder of a test file alone
        parts = {"all": [sentence for sentences in parts.values() for sentence in sentences]}
    counts = ", ".join(f"{len(s)} {part}" for part, s in parts.items() if part != "all")
    origin = "written for this project, a check of the pipeline" if source is None else source
    return Reading(
        parts,
        f"{len(found)} sentences ({origin}){': ' if counts else ''}{counts}, {words}",
        dropped,
        remarks,
    )


# --- files ---------------------------------------------------------------------------------------


def files_of_columns(path: Path) -> tuple[list[tuple[str, Path]], list[str]]:
    """The files of a path, each with its part, and what is to be said of the others.

    Raises:
        UserError: there are none.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder. Expected {KINDS}.")
    if path.is_file():
        return [("all", path)], []
    every = sorted(
        file for file in path.rglob("*") if file.is_file() and not file.name.startswith(".")
    )
    named = [(part, file) for file in every if _known(file) and (part := _part(file)) is not None]
    chosen = named or [("all", file) for file in every if _known(file)]
    if not chosen:
        received = ", ".join(file.name for file in every[:NAMED]) or "an empty folder"
        raise UserError(
            f"{path}: no files of columns there. Expected {KINDS}. Received: {received}."
        )
    left = sorted(
        {str(file.relative_to(path)) for file in every}
        - {str(file.relative_to(path)) for _, file in chosen}
    )
    words = f"{len(left)} files of {path.name} not read: {', '.join(left[:NAMED])}"
    return chosen, [words + (", ..." if len(left) > NAMED else "")] if left else []


def _known(file: Path) -> bool:
    return kind(file) in SUFFIXES


def _part(file: Path) -> str | None:
    name = file.name.lower()
    return next((part for part, pattern in PARTS.items() if re.search(pattern, name)), None)


def _number(tag_column: str) -> int | None:
    """The place of the tags, from 0; None for the last column."""
    if not tag_column:
        return None
    if not (tag_column.isascii() and tag_column.isdecimal() and int(tag_column) >= 2):
        raise UserError(
            "--tag-column of a file must be a number from 2, because the first column is the "
            f"token. Received: {tag_column}."
        )
    return int(tag_column) - 1


def _tagged(file: Path, part: str, labels: bool, column: int | None) -> Iterator[Tagged]:
    every = [*columns.read_columns(file, labels=labels or column is not None)]
    first: dict[int, str] = {}  # of each document its first sentence, by which it is known
    for rows in every:
        first.setdefault(rows.document, content(rows.tokens))
    for rows in every:
        if column is not None and column >= len(rows.cells[0]):
            raise UserError(
                f"{rows.place(0)}: expected {column + 1} columns or more, because of --tag-column "
                f"{column + 1}. Received: {len(rows.cells[0])}."
            )
        yield Tagged(
            part,
            rows.tokens,
            tuple(cells[-1 if column is None else column] for cells in rows.cells),
            tuple(rows.place(k) for k in range(len(rows.tokens))),
            first[rows.document] if len(first) > 1 else "",
        )


def _sentence(tagged: Tagged, documents: dict[str, str]) -> Sentence:
    """`documents` keeps the first document of each sentence: repeated in another document it goes
    where it stood first, because equal records may not be on two sides."""
    own = content(tagged.tokens)
    document = documents.setdefault(own, tagged.document)
    return Sentence(tagged.places[0], tagged.tokens, tagged.tags, document)


def _without_long_ones(found: Iterable[Tagged]) -> tuple[list[Tagged], list[Dropped]]:
    kept, dropped = [], []
    for each in found:
        if len(each.tokens) <= LONGEST:
            kept.append(each)
        else:
            reason = (
                f"expected at most {LONGEST} tokens a sentence. Received: {len(each.tokens)}. Are "
                "the blank lines between sentences missing?"
            )
            dropped.append(Dropped(each.places[0], reason))
    return kept, dropped


# --- schemes -------------------------------------------------------------------------------------


def _recognise(found: list[Tagged], name: str) -> str:
    """The scheme whose rules hold for every tag of the source.

    The first tag of an entity tells iob1 (I) from iob2 (B), and E or S tell iobes: where there is
    an entity at all, at most one scheme holds. Where there is none, each holds and reads the same.

    Raises:
        UserError: none holds; tells the first place that breaks each, and how many do.
    """
    for each in found:
        for place, tag in zip(each.places, each.tags, strict=True):
            if not schemes.is_tag(tag):
                raise UserError(
                    f"{place}: expected a tag, O or one of B- I- E- S- and a type. Received: "
                    f"{tag}. For labels of another kind, a label per token, use --scheme none."
                )
    counts: Counter[str] = Counter({scheme: 0 for scheme in schemes.SCHEMES})
    examples: dict[str, str] = {}
    for each in found:
        for scheme in schemes.SCHEMES:
            for violation in schemes.violations(each.tags, scheme):
                counts[scheme] += 1
                examples.setdefault(scheme, f"{each.places[violation.token]}: {violation.reason}")
    best = min(reversed(schemes.SCHEMES), key=counts.__getitem__)
    if not counts[best]:
        return "iob2" if not any(counts.values()) else best
    others = "; ".join(
        f"{scheme} {counts[scheme]} times, first {examples[scheme]}"
        for scheme in schemes.SCHEMES
        if scheme != best
    )
    raise UserError(
        f"{examples[best]}. Expected tags of one scheme in all of {name}. {best} is nearest, "
        f"broken {counts[best]} times ({others}). `rnnkit check ner --scheme {best}` lists every "
        "place, "
        f"and `train --scheme {best}` leaves those sentences out."
    )


def _converted(found: list[Tagged], scheme: str) -> tuple[list[Tagged], list[Dropped]]:
    """The sentences that follow the scheme, in `schemes.INSIDE`; a line each place of the rest."""
    kept, dropped = [], []
    for each in found:
        broken = [
            Dropped(place, f"{scheme} has tags O and B- I- E- S- with a type. Received: {tag}")
            for place, tag in zip(each.places, each.tags, strict=True)
            if not schemes.is_tag(tag)
        ] or [
            Dropped(each.places[violation.token], violation.reason)
            for violation in schemes.violations(each.tags, scheme)
        ]
        if broken:
            dropped += broken
        else:
            tags = tuple(schemes.convert(each.tags, schemes.INSIDE))
            kept.append(replace(each, tags=tags))
    return kept, dropped
