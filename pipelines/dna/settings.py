"""The settings of the dna task, and the options of its `rnnkit predict`."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pipelines.settings import Options, Settings, setting


@dataclass(frozen=True, kw_only=True)
class DNASettings(Settings):
    """Defaults chosen on validation parts of the UCI splice junctions (`benchmarks/dna.md`)."""

    units: int = setting(32, "width of each recurrent layer, in each direction", minimum=1)
    dropout: float = setting(
        0.5, "share of activations dropped in training", minimum=0, maximum=0.95
    )
    epochs: int = setting(60, "most passes over the training part", minimum=1)
    patience: int = setting(
        12, "epochs without a better validation score before it stops", minimum=1
    )
    learning_rate: float = setting(1e-3, "step size of Adam at the start", above=0)
    hide: float = setting(
        0.1,
        "share of the letters of training sequences that are hidden, others in every epoch",
        minimum=0,
        maximum=0.9,
    )
    alphabet: str = setting(
        "dna", "what the letters are", choices=("dna", "rna", "protein"), reading=True
    )
    ambiguous: str = setting(
        "mean",
        "an ambiguity code as input: mean (R is half A, half G; N a quarter of each) or zeros",
        choices=("mean", "zeros"),
    )
    kmer: int = setting(
        1,
        "letters a step of the input: 1 is one-hot, 3 one of 64 triplets at every letter",
        minimum=1,
        maximum=5,
    )
    filters: int = setting(
        64, "motif detectors (a convolution) before the recurrent layers; 0: none", minimum=0
    )
    filter_width: int = setting(15, "letters that a motif detector sees", minimum=1)
    pool: int | None = setting(
        None,
        "steps joined into one before the recurrent layers; by default what leaves at least 100 "
        "steps of a typical sequence",
        minimum=1,
    )
    strands: str = setting(
        "one",
        "one (as given) or both (training turns half the sequences round, predictions are the "
        "mean of both strands)",
        choices=("one", "both"),
    )
    per_base: bool = setting(
        False, "a label for every letter, not one for the sequence", reading=True
    )
    label_from: str | None = setting(
        None,
        "regular expression that finds the label in a FASTA header, its first group if it has "
        r"one, as 'label=(\w+)'",
        reading=True,
    )
    group_from: str | None = setting(
        None,
        "regular expression that finds the group in a FASTA header; groups never straddle a split",
        reading=True,
    )
    genome: str | None = setting(
        None, "FASTA file from which the intervals of a BED file are cut", reading=True
    )
    width: int | None = setting(
        None,
        "letters around the middle of each BED interval; the interval itself by default",
        minimum=1,
        reading=True,
    )
    negatives: str = setting(
        "given",
        "given, or shuffle: sequences of one class (positive, where nothing names it) get shuffled "
        "copies with the same dinucleotides as the other class (shuffled)",
        choices=("given", "shuffle"),
        reading=True,
    )
    valid_chromosomes: str | None = setting(
        None, "chromosomes held out for validation, as chr8,chr9", reading=True
    )
    test_chromosomes: str | None = setting(
        None, "chromosomes held out for the test, as chr1,chr21", reading=True
    )
    simulated: int = setting(
        20000, "sequences of the default data, which are simulated", minimum=100, reading=True
    )
    simulated_length: int = setting(
        80, "letters of each simulated sequence", minimum=45, reading=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.genome:  # a run is used from other folders too
            object.__setattr__(self, "genome", os.path.abspath(self.genome))


@dataclass(frozen=True, kw_only=True)
class DNAOptions(Options):
    """What `rnnkit predict` knows besides for a run of this task."""

    window: int | None = setting(
        None,
        "letters of a window that scans longer sequences; by default the length the model was "
        "trained on, if that was one length, and 500 for a model with labels of letters",
        minimum=1,
    )
    genome: str | None = setting(
        None,
        "FASTA file from which the intervals of a BED file are cut; by default that of training",
    )
    step: int = setting(1, "letters from one window to the next", minimum=1)
    threshold: float = setting(
        0.5, "least probability of an interval in .bed output", minimum=0, maximum=1
    )
    target: str | None = setting(
        None, "label that --mutagenesis explains; the likeliest one by default"
    )
    mutagenesis: str | None = setting(
        None, "folder for a heat map of all single changes and a sequence logo a sequence"
    )
    variants: str | None = setting(
        None, "VCF file: scores reference against alternative; --input is the genome"
    )
