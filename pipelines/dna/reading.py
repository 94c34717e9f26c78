"""Reads sequences: the one door to all their formats."""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from pipelines.dna import bed, tables
from pipelines.dna.alphabets import ALPHABETS
from pipelines.dna.fasta import SUFFIXES, Entry, Header, kind, read_entries, stem
from pipelines.dna.sequences import BioSequence, with_groups
from pipelines.dna.settings import DNASettings
from pipelines.dna.shuffles import dinucleotide_shuffle
from pipelines.dna.simulation import simulate
from pipelines.errors import UserError
from pipelines.labelled import NoLabelsError, check_spelling
from pipelines.task import Dropped, Reading

POSITIVE, SHUFFLED = "positive", "shuffled"  # classes of positives alone, whose file names none
KINDS = (
    f"a FASTA file ({', '.join(SUFFIXES)}), a folder with one a class, a table (.csv, .tsv) with "
    "the columns sequence,label, or a .bed file with --genome, each also as .gz"
)
_PLACE = re.compile(r"^(?P<chromosome>[^\s:]+):(?P<start>\d+)-(?P<end>\d+)")
NEARLY_ALL = 0.95  # of the sequences have one length: the others are mistakes
_PARTS = ("train", "valid", "test")
Row = tuple[str | None, BioSequence]


def read_labelled(
    source: str | None, settings: DNASettings, *, training: bool = False
) -> Reading[BioSequence]:
    """The sequences of a source with their labels, groups and, where it tells them, parts.

    Args:
        source: a FASTA file with `label_from`, or with `negatives="shuffle"`; a folder of FASTA
            files, one a class, or with such folders `train`, `valid`, `test` in it; a table; a BED
            file with `genome`; None for simulated splice sites.
        settings: of the task.
        training: bool, whether a model is trained on them. Where nearly all have one length, the
            others are left out: one of them would cost all what only equal lengths have, weights
            of places and the weight-matrix floor.

    Raises:
        NoLabelsError: there are sequences without labels.
        UserError: nothing there can be used, or two classes have one name.
    """
    if source is None:
        return _simulated(settings)
    dropped: list[Dropped] = []
    rows = _kept(_rows(source, settings, labelled=True), dropped)
    _check_any(source, rows, dropped)
    if training and not settings.per_base:
        rows = _of_one_length(rows, dropped)
    parts: dict[str, list[BioSequence]] = {}
    told = any(part for part, _ in rows)
    for part, record in rows:
        parts.setdefault((part or "train") if told else "all", []).append(record)
    if told and "train" not in parts:
        raise UserError(f"{source}: expected a part train beside {', '.join(sorted(parts))}.")
    if not settings.per_base or kind(Path(source)) == ".bed":  # else a label is one character
        check_spelling(record for _, record in rows)
    remarks: list[str] = []
    parts = grouped(parts, settings.alphabet)
    if settings.negatives == "shuffle":
        parts = _with_shuffles(source, parts, settings, remarks)
    if settings.test_chromosomes or settings.valid_chromosomes:
        parts = _held_out(source, parts, settings, dropped)
    records = [record for part in parts.values() for record in part]
    remarks += _remarks(records, settings.alphabet)
    description = f"{len(records)} sequences of {Path(source).name}, alphabet {settings.alphabet}"
    return Reading(parts, description, dropped, remarks)


def read_unlabelled(source: str, settings: DNASettings) -> Reading[BioSequence]:
    """The sequences of a source to be answered; labels are kept where they are.

    Raises:
        UserError: nothing there can be used.
    """
    dropped: list[Dropped] = []
    rows = _kept(_rows(source, settings, labelled=False), dropped)
    _check_any(source, rows, dropped)
    records = [record for _, record in rows]
    return Reading({"all": records}, f"{len(rows)} sequences of {Path(source).name}", dropped)


def stream(source: str, settings: DNASettings) -> Iterator[BioSequence | Dropped]:
    """The same one by one, so that a long file needs no memory.

    Raises:
        UserError: the source is none of the known kinds.
    """
    for row in _rows(source, settings, labelled=False):
        yield row if isinstance(row, Dropped) else row[1]


def _check_any(source: str, rows: list[Row], dropped: list[Dropped]) -> None:
    if rows:
        return
    if not dropped:
        raise UserError(f"{source}: no sequences found. Expected {KINDS}.")
    more = f" (and {len(dropped) - 1} more)" if len(dropped) > 1 else ""
    raise UserError(
        f"{dropped[0].place}: {dropped[0].reason}{more}. Nothing is left to read of {source}."
    )


def _kept(rows: Iterable[Row | Dropped], dropped: list[Dropped]) -> list[Row]:
    kept: list[Row] = []
    for row in rows:
        if isinstance(row, Dropped):
            dropped.append(row)
        else:
            kept.append(row)
    return kept


# --- formats -------------------------------------------------------------------------------------


def _rows(source: str, settings: DNASettings, labelled: bool) -> Iterator[Row | Dropped]:
    if source.startswith("tfds:"):
        raise UserError(f"{source}: dna reads no TFDS set. Expected {KINDS}.")
    path = Path(source)
    if not path.exists():
        raise UserError(f"{source}: no such file or folder. Expected {KINDS}.")
    if path.is_dir():
        return _folder(path, settings)
    if kind(path) in tables.DELIMITERS:
        return tables.read_table(
            path, settings.alphabet, per_base=settings.per_base, labelled=labelled
        )
    if kind(path) == ".bed":
        return _bed(path, settings, labelled)
    if kind(path) in SUFFIXES:
        return _fasta(path, settings, labelled)
    raise UserError(f"{source}: expected {KINDS}. Received: a file that ends in {kind(path)!r}.")


def _folder(path: Path, settings: DNASettings) -> Iterator[Row | Dropped]:
    folders = {part: path / part for part in _PARTS if (path / part).is_dir()}
    _refuse_per_base(path, settings)
    for part, folder in folders.items() or [(None, path)]:
        files: dict[str, Path] = {}
        for file in sorted(folder.iterdir()):
            if kind(file) not in SUFFIXES or file.name.startswith("."):
                continue
            label = stem(file)
            same = next((name for name in files if name.lower() == label.lower()), None)
            if same is not None:
                raise UserError(
                    f"{file}: expected one file a class. Received: {files[same].name} is class "
                    f"{same} already. Rename one, or join the two."
                )
            files[label] = file
        for label, file in files.items():
            for entry in read_entries(file, settings.alphabet):
                yield (
                    entry if isinstance(entry, Dropped) else (part, _record(entry, label, settings))
                )


def _fasta(path: Path, settings: DNASettings, labelled: bool) -> Iterator[Row | Dropped]:
    if labelled:
        _refuse_per_base(path, settings)
    pattern = _compiled("label-from", settings.label_from)
    if labelled and pattern is None and settings.negatives != "shuffle":
        raise NoLabelsError(
            f"{path}: expected labels. Received: one FASTA file. Give --label-from REGEX to find "
            "them in the headers, a folder with a file a class, or --negatives shuffle."
        )
    for entry in read_entries(path, settings.alphabet):
        if isinstance(entry, Dropped):
            yield entry
            continue
        label = POSITIVE if pattern is None and labelled else None
        if pattern is not None:
            label = _found(pattern, entry.header)
            if label is None and labelled:
                place = f"{path}:{entry.header.line}"
                yield Dropped(place, f"--label-from finds no label in '{entry.header.text[:60]}'")
                continue
        yield None, _record(entry, label, settings)


def _record(entry: Entry, label: str | None, settings: DNASettings) -> BioSequence:
    pattern = _compiled("group-from", settings.group_from)
    place = _PLACE.match(entry.header.text)
    return BioSequence(
        name=entry.header.name,
        letters=entry.letters,
        label=label,
        group=(_found(pattern, entry.header) or "") if pattern else "",
        chromosome=place["chromosome"] if place else None,
        span=(int(place["start"]), int(place["end"])) if place else None,
    )


def _bed(path: Path, settings: DNASettings, labelled: bool) -> Iterator[Row | Dropped]:
    if settings.genome is None:
        raise UserError(f"{path}: a BED file needs the genome: --genome FILE.fa")
    intervals: list[bed.Interval] = []
    for interval in bed.read_bed(path):
        if isinstance(interval, Dropped):
            yield interval
        else:
            intervals.append(interval)
    named = any(interval.name for interval in intervals)
    if (
        intervals
        and labelled
        and not (named or settings.per_base or settings.negatives == "shuffle")
    ):
        raise NoLabelsError(
            f"{path}: expected labels in the fourth column (name). Received: none. With "
            "--negatives shuffle, intervals of one class are enough."
        )
    cut = bed.tile if settings.per_base else bed.cut
    for record in cut(intervals, Path(settings.genome), settings.alphabet, settings.width):
        if isinstance(record, Dropped):
            yield record
        elif record.label is None and labelled and not settings.per_base:
            if named:
                yield Dropped(record.name, "no label in the fourth column (name)")
            else:
                yield None, dataclasses.replace(record, label=POSITIVE)
        else:
            yield None, record


def _refuse_per_base(path: Path, settings: DNASettings) -> None:
    if settings.per_base:
        raise UserError(
            f"{path}: FASTA has no labels of letters. Expected with --per-base: a table with the "
            "columns sequence,labels, or a .bed file with --genome."
        )


def _compiled(flag: str, pattern: str | None) -> re.Pattern[str] | None:
    try:
        return None if pattern is None else re.compile(pattern)
    except re.error as error:
        raise UserError(
            f"--{flag} must be a regular expression ({error}). Received: {pattern}."
        ) from None


def _found(pattern: re.Pattern[str], header: Header) -> str | None:
    match = pattern.search(header.text)
    return None if match is None else (match[1] if pattern.groups else match[0]) or None


# --- what is done to all -------------------------------------------------------------------------


def _simulated(settings: DNASettings) -> Reading[BioSequence]:
    if settings.alphabet != "dna":
        raise UserError(f"--alphabet {settings.alphabet} needs --data, the default data are dna.")
    records = simulate(
        settings.simulated, settings.simulated_length, settings.seed, settings.per_base
    )
    description = (
        f"{len(records)} simulated sequences of {settings.simulated_length} letters: donor and "
        "acceptor splice sites and decoys, drawn from consensus frequencies of primates (Shapiro "
        "and Senapathy 1987), so that the best possible score is known"
    )
    return Reading({"all": with_groups(records, ALPHABETS["dna"])}, description)


def grouped(parts: dict[str, list[BioSequence]], alphabet: str) -> dict[str, list[BioSequence]]:
    """The same records with groups that link what belongs together, in whatever part it stands."""
    grouped = iter(
        with_groups([record for part in parts.values() for record in part], ALPHABETS[alphabet])
    )
    return {part: [next(grouped) for _ in records] for part, records in parts.items()}


def _with_shuffles(
    source: str, parts: dict[str, list[BioSequence]], settings: DNASettings, remarks: list[str]
) -> dict[str, list[BioSequence]]:
    labels = sorted({str(record.label) for records in parts.values() for record in records})
    if settings.per_base or len(labels) != 1:
        raise UserError(
            f"{source}: --negatives shuffle needs sequences of one class. Received: "
            f"{'labels of letters' if settings.per_base else ', '.join(labels[:5])}."
        )
    random = np.random.default_rng((settings.seed, 0x5AF))
    total = same = 0
    both: dict[str, list[BioSequence]] = {}
    for part, records in parts.items():
        both[part] = list(records)
        for record in records:
            letters = dinucleotide_shuffle(record.letters, random)
            total, same = total + 1, same + (letters == record.letters)
            if letters != record.letters:
                name = f"{record.name} {SHUFFLED}"
                both[part].append(
                    dataclasses.replace(record, name=name, letters=letters, label=SHUFFLED)
                )
    remarks.append(
        f"class {SHUFFLED}: {total - same} copies of the sequences, shuffled with the same "
        "dinucleotides (Altschul and Erickson 1985), no sequences of nature; the scores say how "
        "well the two are told apart, and nothing of other negatives"
    )
    if same:
        remarks.append(f"{same} sequences have no other order with the same dinucleotides")
    return grouped(both, settings.alphabet)


def _of_one_length(rows: list[Row], dropped: list[Dropped]) -> list[Row]:
    """Those of the length that nearly all have; all of them where there is none."""
    counts = collections.Counter(len(record.letters) for _, record in rows)
    ((length, count),) = counts.most_common(1)
    if count < NEARLY_ALL * len(rows):
        return rows
    usual = f"where {count} of {len(rows)} sequences have {length}"
    dropped += [
        Dropped(record.name, f"{len(record.letters)} letters, {usual}")
        for _, record in rows
        if len(record.letters) != length
    ]
    return [row for row in rows if len(row[1].letters) == length]


def _held_out(
    source: str,
    parts: dict[str, list[BioSequence]],
    settings: DNASettings,
    dropped: list[Dropped],
) -> dict[str, list[BioSequence]]:
    if "all" not in parts:
        raise UserError(
            f"{source}: has parts of its own ({', '.join(parts)}). Leave out --valid-chromosomes "
            "and --test-chromosomes."
        )
    records = parts["all"]
    known = sorted({record.chromosome for record in records if record.chromosome})
    part_of: dict[str, str] = {}
    for part, given in (("valid", settings.valid_chromosomes), ("test", settings.test_chromosomes)):
        for name in filter(None, (word.strip() for word in (given or "").split(","))):
            if name not in known or part_of.setdefault(name, part) != part:
                reason = "in both parts" if name in known else "not there"
                raise UserError(
                    f"--{part}-chromosomes: {name} is {reason}. {source} has "
                    f"{', '.join(known[:8]) or 'no chromosomes: headers like chr1:100-200, or BED'}"
                    f"{', ...' if len(known) > 8 else ''}."
                )
    sides: dict[str, list[BioSequence]] = {"train": [], **{p: [] for p in part_of.values()}}
    for record in records:
        sides[part_of.get(record.chromosome or "", "train")].append(record)
    taken: set[str] = set()
    for part in ("test", "valid", "train"):  # a sequence on two sides counts where it is held out
        kept = [record for record in sides.get(part, ()) if record.group not in taken]
        dropped += [
            Dropped(record.name, "its sequence also stands on a chromosome that is held out")
            for record in sides.get(part, ())
            if record.group in taken
        ]
        if part in sides:
            sides[part] = kept
        taken |= {record.group for record in kept}
    return {part: sides[part] for part in _PARTS if part in sides}


def _remarks(records: list[BioSequence], alphabet: str) -> list[str]:
    kind = ALPHABETS[alphabet]
    labels: dict[str, set[object]] = {}
    for record in records:
        labels.setdefault(kind.canonical(record.letters), set()).add(record.label or record.labels)
    found = []
    if repeated := len(records) - len(labels):
        same = "another or its reverse complement" if kind.complement else "another"
        found.append(f"{repeated} sequences repeat {same}; such are one group of the split")
    if torn := sum(len(different) > 1 for different in labels.values()):
        found.append(f"{torn} sequences stand there with more than one label")
    letters = sum(len(record.letters) for record in records)
    odd = sum(len(r.letters) - sum(map(r.letters.count, kind.letters)) for r in records)
    if odd:
        found.append(f"{odd} of {letters} letters are ambiguous")
    return found
