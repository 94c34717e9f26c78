"""Marks entities with the exported model. Needs TensorFlow, nothing else.

python client.py MODEL_DIR ["A sentence." ...]
"""

import sys

import tensorflow as tf

SENTENCES = ["Luke Skywalker and Darth Vader fought an epic battle."]


def main(model_dir: str, *sentences: str) -> None:
    model = tf.saved_model.load(model_dir)

    # Raw sentences: the model cuts them into tokens.
    texts = list(sentences or SENTENCES)
    answer = model.signatures["serving_default"](sentence=tf.constant(texts))
    answer = {name: values.numpy() for name, values in answer.items()}
    for row, text in enumerate(texts):
        print(text)
        for start, end, kind in entities(answer, row):
            print(f"  {start}-{end} {kind}: {text[start:end]}")

    # Tokens that were cut elsewhere; "" behind the end of the shorter sentences.
    tokens = tf.constant([["Ada", "Lovelace", "slept", "."], ["Good", "night", "", ""]])
    answer = model.signatures["tokens"](tokens=tokens)
    print([[tag.decode() for tag in row] for row in answer["tags"].numpy()])


def entities(answer: dict, row: int) -> list:
    """(start, end, type) of each entity, start and end in code points: B- begins one, I- goes on.
    Where a model has other labels than these, each token's label is in `tags`."""
    found = []
    columns = (answer[name][row] for name in ("tags", "start", "end"))
    for tag, start, end in zip(*columns, strict=True):
        prefix, _, kind = tag.decode().partition("-")
        if prefix == "B":
            found.append([int(start), int(end), kind])
        elif prefix == "I" and found:
            found[-1][1] = int(end)
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
