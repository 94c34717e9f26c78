"""A CRF that was trained with TensorFlow Addons gives the same tags and likelihoods here."""

from pathlib import Path

import numpy as np
import pytest

import rnnkit
from rnnkit.convert_addons import crf_from_addons
from rnnkit.weight_files import read_weights

FILES = Path(__file__).parent / "addons"


@pytest.mark.parametrize("form", [".h5", ".weights.h5", "-model.h5", "-checkpoint"])
def test_tags_and_likelihoods_are_those_of_addons(form):
    """Whatever way the model was saved."""
    case = np.load(FILES / "crf.npz")
    dense, crf = crf_from_addons(FILES / f"crf{form}")
    potentials = crf(dense(case["x"]))
    np.testing.assert_array_equal(rnnkit.CRFDecoder()(potentials), case["tags"])
    loss = rnnkit.CRFLoss(reduction=None)(case["y"], potentials)
    np.testing.assert_allclose(loss, -case["log_likelihood"], rtol=1e-5)


def test_boundaries_and_dense_may_be_missing():
    dense, crf = crf_from_addons({"crf/chain_kernel": np.eye(3, dtype="float32")})
    assert dense is None
    np.testing.assert_array_equal(crf.transitions, np.eye(3))
    np.testing.assert_array_equal(crf.start, np.zeros(3))


def test_one_of_several_has_to_be_named():
    weights = read_weights(FILES / "crf.h5")
    both = {f"{name}/{path}": x for name in "ab" for path, x in weights.items()}
    with pytest.raises(ValueError, match=r"Received: 2 of them \(a/tagger, b/tagger\)"):
        crf_from_addons(both)
    _, crf = crf_from_addons(both, layer="a/")
    np.testing.assert_array_equal(crf.transitions, weights["tagger/chain_kernel"])


def test_a_file_without_a_crf_is_refused():
    with pytest.raises(ValueError, match=r"Expected one CRF .* Received: none"):
        crf_from_addons(FILES / "peephole.weights.h5")
    dense = {"layers/dense/vars/0": np.eye(3), "layers/dense/vars/1": np.zeros(3)}
    with pytest.raises(ValueError, match="Received: none"):
        crf_from_addons(dense)
