"""One step of a beam against one greedy step, for 1,000 sentences at once; memory by length.

    python benchmarks/decoding.py [--sentences 1000] [--repeats 3]

A step is timed inside a whole search in a `tf.function`: the search of 24 tokens less the search of
4, by 20, so that encoding, tracing and the first step fall out. No sentence ends early. Memory is
the peak of a fresh process that decodes that many tokens, less the peak of one that decodes 4.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

WIDTHS = (1, 5)
SOURCE = 20  # tokens of a source sentence
NETS = {  # units, target vocabulary
    "fixed vector, 256 units, 100 tokens": ("fixed", 256, 100),
    "Luong attention, 256 units, 100 tokens": ("luong", 256, 100),
    "Luong attention, 256 units, 8,000 tokens": ("luong", 256, 8000),
    "Bahdanau attention, 128 units, 100 tokens": ("bahdanau", 128, 100),
}


def searches(form: str, units: int, vocabulary: int, sentences: int):
    """`search(width, length)`: width 0 is greedy."""
    import numpy as np
    import tensorflow as tf

    import rnnkit
    from rnnkit.decoding import beam_search, greedy_search

    cell = rnnkit.GRUCell(units)
    if form == "luong":
        cell = rnnkit.AttentionCell(cell, rnnkit.LuongGeneralAttention(), attention_size=units)
    if form == "bahdanau":
        cell = rnnkit.AttentionCell(cell, rnnkit.BahdanauAttention(units), attention_size=units)
    net = rnnkit.EncoderDecoder(rnnkit.GRUCell(units), cell, vocabulary, units)
    random = np.random.default_rng(0)
    source = tf.constant(random.normal(size=(sentences, SOURCE, units)).astype("float32"))
    net(source[:1], np.zeros((1, 1), "int32"))
    state, memory = net.start(source)
    never = tf.constant(np.where(np.arange(vocabulary) == 2, -np.inf, 0).astype("float32"))

    def step(tokens, state, memory):
        logits, state = net.step(tokens, state, memory)
        return logits + never, state

    functions = {}

    def search(width: int, length: int):
        def run(state, memory):
            bound = lambda tokens, state: step(tokens, state, memory)
            if not width:
                return greedy_search(bound, state, 1, 2, max_length=length)
            return beam_search(bound, state, 1, 2, width, max_length=length)

        if (width, length) not in functions:
            functions[width, length] = tf.function(run, autograph=False)
        return functions[width, length](state, memory).tokens.numpy()

    return search


def step_times(search, repeats: int) -> dict[int, float]:
    """Seconds of one step, by width."""
    found: dict[int, list[float]] = {width: [] for width in (0, *WIDTHS)}
    for width in found:
        search(width, 4), search(width, 24)  # traces
    for _ in range(repeats):
        for width, times in found.items():
            seconds = {}
            for length in (4, 24):
                start = time.perf_counter()
                search(width, length)
                seconds[length] = time.perf_counter() - start
            times.append((seconds[24] - seconds[4]) / 20)
    return {width: statistics.median(times) for width, times in found.items()}


def peak(length: int, sentences: int) -> float:
    """Megabytes of a fresh process that decodes so many tokens with a beam of 5."""
    command = [sys.executable, __file__, "--peak", str(length), "--sentences", str(sentences)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        searches("luong", 256, 100, options.sentences)(5, options.peak)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    print("| net | greedy step, ms | " + " | ".join(f"beam {w} / greedy" for w in WIDTHS) + " |")
    print("| --- | --- |" + " --- |" * len(WIDTHS))
    for name, net in NETS.items():
        times = step_times(searches(*net, options.sentences), options.repeats)
        ratios = " | ".join(f"{times[width] / times[0]:.2f}" for width in WIDTHS)
        print(f"| {name} | {1000 * times[0]:.1f} | {ratios} |", flush=True)
    base = peak(4, options.sentences)
    print("\n| tokens | peak of memory over that of 4 tokens, MB |\n| --- | --- |")
    for length in (50, 400):
        print(f"| {length} | {peak(length, options.sentences) - base:.0f} |")


if __name__ == "__main__":
    main()
