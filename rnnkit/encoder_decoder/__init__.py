"""EncoderDecoder: one sequence in, another out, of another length.

Training, by teacher forcing in a plain functional model (`targets` are start, y_1, .., y_{L-1}; the
labels y_1, .., y_L; a weight a label is 0 in the padding):

    source = keras.Input((None,), dtype="int32")
    targets = keras.Input((None,), dtype="int32")
    embedding = keras.layers.Embedding(source_vocabulary, 128, mask_zero=True)
    translator = rnnkit.EncoderDecoder(
        rnnkit.LSTMCell(128),
        rnnkit.AttentionCell(
            rnnkit.LSTMCell(128), rnnkit.LuongGeneralAttention(), attention_size=128),
        vocabulary_size=target_vocabulary, embedding_size=128, bidirectional=True)
    model = keras.Model([source, targets], translator(embedding(source), targets))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, weighted_metrics=[])
    model.fit((source_ids, target_inputs), target_labels, sample_weight=weights)

Decoding, eagerly, or for export in a `tf.function`; everything is tensors, none is a variable:

    embedded = embedding(source_ids)                  # carries its mask
    state, memory = translator.start(embedded, mask=embedding.compute_mask(source_ids))
    step = lambda tokens, state: translator.step(tokens, state, memory)
    found = rnnkit.decoding.beam_search(
        step, state, start=1, end=2, width=5, max_length=60, length_penalty=0.6, n_best=3)
    found.tokens[:, 0], found.lengths[:, 0]           # greedy_search, sample_search: the same way

For an export that decodes step by step, `state` and `memory` are two lists of tensors with a batch
axis each: inputs and outputs of a signature like any other.

What was looked at, for tokens known (y_1, .., y_L, as a search found them):

    weights = translator.alignments(embedded, target_inputs, mask=mask)     (batch, L, S)
"""

from rnnkit.encoder_decoder.layer import EncoderDecoder

__all__ = ["EncoderDecoder"]
