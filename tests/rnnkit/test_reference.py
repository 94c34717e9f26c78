"""The derivations by hand are right: they agree with finite differences, and mistakes show."""

import numpy as np
import pytest

from rnnkit.reference import REFERENCE, run_backward, run_forward
from rnnkit.testing import sample, weights_of
from tests import zoo
from tests.rnnkit.mutants import mutants


def problem(name):
    """Inputs, states and weights of a cell, and the gradients that an arbitrary loss sends back."""
    cell, xs, states = sample(zoo.CELLS[name]())
    random = np.random.default_rng(5)
    dys = random.normal(size=(*xs.shape[:2], cell.output_size))
    return xs, states, weights_of(cell), dys, [random.normal(size=s.shape) for s in states]


def finite_differences(forward, xs, states, weights, dys, dstates):
    """Central differences of L = sum(ys * dys) + sum(last states * dstates), entry by entry."""

    def loss():
        ys, last, _ = run_forward(forward, xs, states, weights)
        return sum(np.sum(a * d) for a, d in zip((ys, *last), (dys, *dstates), strict=True))

    def derivative(array):
        result = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            value = array[index]
            array[index] = value + 1e-5
            above = loss()
            array[index] = value - 1e-5
            below = loss()
            array[index] = value
            result[index] = (above - below) / 2e-5
        return result

    weights = {name: weight.copy() for name, weight in weights.items()}
    return (
        derivative(xs),
        [derivative(state) for state in states],
        {name: derivative(weight) for name, weight in weights.items()},
    )


def same(found, expected):
    """Whether gradients of inputs, states and weights agree."""
    dxs, dstates, dweights = found
    exact_dxs, exact_dstates, exact_dweights = expected
    close = lambda a, b: np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-6, atol=1e-8)
    return (
        close(dxs, exact_dxs)
        and all(close(a, b) for a, b in zip(dstates, exact_dstates, strict=True))
        and dweights.keys() == exact_dweights.keys()
        and all(close(dweights[name], exact_dweights[name]) for name in dweights)
    )


@pytest.mark.parametrize("name", REFERENCE)
def test_backward_is_the_derivative_of_forward(name):
    """For every weight, input and initial state, over several steps."""
    forward, backward = REFERENCE[name]
    xs, states, weights, dys, dstates = problem(name)
    _, _, caches = run_forward(forward, xs, states, weights)
    exact = finite_differences(forward, xs, states, weights, dys, dstates)
    assert same(run_backward(backward, dys, dstates, caches), exact)


def assert_mistakes_show(name, every):
    forward, backward = REFERENCE[name]
    xs, states, weights, dys, dstates = problem(name)
    _, _, caches = run_forward(forward, xs, states, weights)
    exact = run_backward(backward, dys, dstates, caches)  # right, says the test above
    survivors, count = [], 0
    for change, mutant in mutants(backward, constants=sorted(weights), every=every):
        count += 1
        try:
            survived = same(run_backward(mutant, dys, dstates, caches), exact)
        except (ValueError, TypeError, NameError, KeyError, IndexError, AttributeError):
            survived = False
        if survived:
            survivors.append(change)
    assert not survivors, f"mistakes that nobody would notice in {backward.__name__}: {survivors}"
    return count


@pytest.mark.parametrize("name", REFERENCE)
def test_a_slip_of_the_pen_shows(name):
    """A wrong sign, factor, order or transpose in a backward step: one of ten possible ones."""
    assert assert_mistakes_show(name, every=10) > 10


@pytest.mark.prove
@pytest.mark.parametrize("name", REFERENCE)
def test_every_slip_of_the_pen_shows(name, record_property):
    """Whatever single mistake is made in a backward step, the gradients show it."""
    record_property("mutants", assert_mistakes_show(name, every=1))
