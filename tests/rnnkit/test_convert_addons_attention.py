"""Decoders that TensorFlow Addons' AttentionWrapper trained give the same outputs here.

The files in `addons/` were written by Addons itself (`addons/make_attention.py`).
"""

from pathlib import Path

import numpy as np
import pytest

import rnnkit
from rnnkit.convert_addons_attention import attention_from_addons
from rnnkit.weight_files import read_weights

FILES = Path(__file__).parent / "addons"
KINDS = {
    "bahdanau": (rnnkit.LSTMCell, rnnkit.BahdanauAttention),
    "luong": (rnnkit.ResetAfterGRUCell, rnnkit.LuongGeneralAttention),
}


@pytest.mark.parametrize("form", [".weights.h5", "-checkpoint"])
@pytest.mark.parametrize("name", KINDS)
def test_outputs_are_those_of_addons(name, form):
    """Normalised and scaled scores, with and without an attention layer, masked memories."""
    layer = attention_from_addons(FILES / f"{name}{form}", return_sequences=True)
    assert (type(layer.cell.cell), type(layer.cell.attention)) == KINDS[name]
    with np.load(FILES / f"{name}.npz") as given:
        y = layer(given["x"], memory=given["memory"], memory_mask=given["mask"])
        np.testing.assert_allclose(y, given["y"], rtol=1e-5, atol=1e-6)


def numbered(own):
    """A `.weights.h5` of a decoder whose mechanism made the weights `own`, in this order."""
    shapes = {"v": (4,), "b": (4,), "g": (), "score_bias": ()}
    weights = {
        "decoder/_cell/vars/0": (2 + 7, 12),
        "decoder/_cell/vars/1": (3, 12),
        "attention/memory_layer/vars/0": (7, 4 if "v" in own else 3),
        "attention/query_layer/vars/0": (3, 4),
    } | {f"attention/vars/{k}": shapes[name] for k, name in enumerate(own)}
    return {name: np.ones(shape, "float32") for name, shape in weights.items()}


MONOTONIC = {  # the weights in the order in which the classes of Addons make them
    "additive": ["v", "score_bias"],
    "additive, normalised": ["v", "score_bias", "g", "b"],
    "multiplicative, scaled": ["g", "score_bias"],
}


@pytest.mark.parametrize("own", MONOTONIC.values(), ids=MONOTONIC)
def test_monotonic_mechanisms_are_refused(own):
    """Their alignments are no softmax: converted as if they were, another decoder would answer."""
    with pytest.raises(ValueError, match=r"Expected .* softmax.*Received: attention, a monotonic"):
        attention_from_addons(numbered(own))


@pytest.mark.parametrize("name", KINDS)
def test_a_checkpoint_names_what_a_monotonic_mechanism_adds(name):
    weights = read_weights(FILES / f"{name}-checkpoint")
    place = next(path for path in weights if "memory_layer" in path).split("/memory_layer")[0]
    weights[f"{place}/attention_score_bias"] = np.zeros(())
    with pytest.raises(ValueError, match=r"a monotonic one"):
        attention_from_addons(weights)


@pytest.mark.parametrize("own", [["v"], ["v", "g", "b"], ["g"], []], ids=str)
def test_softmax_mechanisms_are_known_by_the_number_of_their_weights(own):
    cell = attention_from_addons(numbered(own)).cell
    assert isinstance(cell.attention, rnnkit.BahdanauAttention) == ("v" in own)
    assert sum("score_gain" in weight.name for weight in cell.weights) == ("g" in own)


def test_a_file_of_several_decoders_asks_which():
    weights = read_weights(FILES / "luong-checkpoint")
    both = {
        f"{net}/{name}": array for net in ("first", "second") for name, array in weights.items()
    }
    with pytest.raises(ValueError, match=r"2 of them \(first/"):
        attention_from_addons(both)
    one = attention_from_addons(both, layer="second", attention="second")
    assert one.cell.attention_size == 7


def test_a_file_without_one_is_told():
    with pytest.raises(ValueError, match=r"Expected one AttentionWrapper.*Received: none"):
        attention_from_addons(FILES / "peephole.h5")
