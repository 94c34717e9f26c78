"""Linear-chain conditional random fields: a Keras layer, a loss, a metric, and plain functions.

    tokens = keras.Input((None,), dtype="int32")
    h = keras.layers.Embedding(10_000, 64, mask_zero=True)(tokens)
    h = rnnkit.BiRNN(rnnkit.LSTMCell(64), return_sequences=True)(h)
    emissions = keras.layers.Dense(9)(h)
    potentials = rnnkit.CRF(9, constraints=rnnkit.crf_constraints(labels, "IOB2"))(emissions)

    model = keras.Model(tokens, potentials)
    model.compile("adam", loss=rnnkit.CRFLoss(), metrics=[rnnkit.CRFAccuracy()])
    model.fit(x, y)                    # y: (batch, T) ints; -1 is unknown; sample_weight: (batch,)

    tagger = keras.Model(tokens, rnnkit.CRFDecoder()(potentials))           # shares all weights
    tagger.predict(x)                                                       # (batch, T) int tags
    tagger.export("saved_models/ner/1")
    keras.Model(tokens, rnnkit.CRFMarginals()(potentials)).predict(x)       # (batch, T, K)

The layer hands on potentials, as a Dense hands on logits, because the loss needs more than tags:
emissions, transitions and mask. It is all in one ordinary tensor, so that `fit`, `evaluate`,
functional and subclassed models, every backend, mixed precision, XLA and `.keras` files work with
nothing but a stateless loss. Other ways lose some of it: a layer that puts out tags gives the loss
nothing to differentiate; a loss that holds the layer (`loss=crf.loss`) does not reload from a
`.keras` file, or reloads with a second copy of the weights; `add_loss` needs the tags among the
inputs of the model, then and ever after; a model class of its own with another `train_step` shuts
out other models; a tensor with the rest hung on as an attribute loses it at the next cast or
`tf.function`; pairwise scores (batch, T, K, K) need K times the memory.

One model that gives tags and is trained too has two outputs:

    model = keras.Model(tokens, {"crf": potentials, "tags": rnnkit.CRFDecoder()(potentials)})
    model.compile("adam", loss={"crf": rnnkit.CRFLoss()})
    model.fit(x, {"crf": y})
    model.predict(x)["tags"]

(With metrics, Keras asks for a y for every output: `fit(x, {"crf": y, "tags": y})`.)

The same mathematics on plain tensors: `crf_log_likelihood`, `crf_decode`, `crf_marginals`.
"""

from rnnkit.crf.constraints import crf_constraints
from rnnkit.crf.functions import crf_decode, crf_log_likelihood, crf_marginals
from rnnkit.crf.layers import CRF, CRFDecoder, CRFMarginals
from rnnkit.crf.training import CRFAccuracy, CRFLoss

__all__ = [
    "CRF",
    "CRFAccuracy",
    "CRFDecoder",
    "CRFLoss",
    "CRFMarginals",
    "crf_constraints",
    "crf_decode",
    "crf_log_likelihood",
    "crf_marginals",
]
