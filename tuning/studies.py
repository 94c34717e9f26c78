"""Comparisons of the literature, ready made: `rnnkit compare --study NAME`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CONFIRMED, MEMORY = "confirmed", "from memory"  # in a public source; of the paper, unchecked


@dataclass(frozen=True)
class Published:
    """A figure of a paper."""

    value: float
    metric: str  # of the test part
    data: str  # what it was measured on: a word that stands in the name of the data
    standing: str  # CONFIRMED or MEMORY


@dataclass(frozen=True)
class Entry:
    """A cell of a study."""

    cell: str  # a name of CELLS, or "module:Class"
    units: int
    published: tuple[Published, ...] = ()


@dataclass(frozen=True)
class Study:
    """A comparison that a paper made, with its sizes, on a task of ours."""

    title: str
    task: str
    entries: dict[str, Entry]  # by the names of the paper
    settings: dict[str, Any]  # of the task, where they differ from its defaults
    notes: tuple[str, ...]  # what is like the paper, and what is not
    findings: tuple[tuple[str, str], ...] = ()  # (what the paper says, its standing)
    baseline: str | None = None
    data: str = field(default="JSB_Chorales.mat")  # a file of the paper's data, for messages


def _nats(jsb: float, nottingham: float, standing: str) -> tuple[Published, ...]:
    return (
        Published(jsb, "nll", "JSB", standing),
        Published(nottingham, "nll", "Nottingham", MEMORY),
    )


# The paper's keys are independent of each other given the past, and its pieces stand in their keys;
# dropout and batch size as benchmarks/music.md chose them on validation for the GRU of 46 units.
_INDEPENDENT_KEYS = {"head": "bernoulli", "transpose": 0, "dropout": 0.2, "batch_size": 8}
_ABLATED = "tuning.ablated_cells:"

STUDIES: dict[str, Study] = {
    "chung2014": Study(
        title="Chung et al. 2014, Empirical Evaluation of Gated Recurrent Neural Networks on "
        "Sequence Modeling (arXiv:1412.3555)",
        task="music",
        entries={
            "tanh": Entry("vanilla", 100, _nats(9.10, 3.13, MEMORY)),
            "LSTM": Entry("lstm", 36, _nats(8.67, 3.20, MEMORY)),
            "GRU": Entry("gru", 46, _nats(8.54, 3.23, CONFIRMED)),
        },
        settings=_INDEPENDENT_KEYS,
        notes=(
            "Units are the paper's: they match the parameters of the recurrent layer, about 20,000 "
            "with 100 inputs. The 88 keys that are read here make them a little fewer.",
            "The paper trained with RMSProp and weight noise; here it is Adam with dropout.",
            "The paper's other half, speech (Ubisoft A and B), used closed data and is left out.",
        ),
    ),
    "greff2015": Study(
        title="Greff et al. 2015, LSTM: A Search Space Odyssey (arXiv:1503.04069)",
        task="music",
        entries={
            "V": Entry("peephole_lstm", 64, (Published(8.38, "nll", "JSB", MEMORY),)),
            "NP": Entry("lstm", 64),
            "CIFG": Entry(f"{_ABLATED}CoupledGatesCell", 64),
            "NIG": Entry(f"{_ABLATED}NoInputGateCell", 64),
            "NFG": Entry(f"{_ABLATED}NoForgetGateCell", 64),
            "NOG": Entry(f"{_ABLATED}NoOutputGateCell", 64),
            "NIAF": Entry(f"{_ABLATED}NoInputActivationCell", 64),
            "NOAF": Entry(f"{_ABLATED}NoOutputActivationCell", 64),
            "FGR": Entry(f"{_ABLATED}FullGateRecurrenceCell", 64),
        },
        settings=_INDEPENDENT_KEYS,
        baseline="V",
        notes=(
            "V is the LSTM with peepholes; each other cell differs from it in one thing: NP has no "
            "peepholes, CIFG couples input and forget gate, NIG, NFG and NOG lack the input, "
            "forget and output gate, NIAF and NOAF the input and output activation function, FGR "
            "shows all gates to all gates.",
            "The paper searched 200 settings a variant and compared the best tenth of them; here "
            "all variants have the same settings and units, and differences are over seeds.",
            "The paper's figure of V is that of its best setting.",
            "Its other data, TIMIT and IAM Online, are closed or not of a task here.",
        ),
        findings=(
            ("No variant is significantly better than V.", CONFIRMED),
            ("The forget gate and the output activation matter most.", CONFIRMED),
            ("CIFG and NP do not hurt significantly.", CONFIRMED),
            ("On music NIG, NOG and NIAF do not hurt significantly.", MEMORY),
        ),
    ),
}
