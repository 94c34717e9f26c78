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
