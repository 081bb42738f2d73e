"""Where a network's search starts: seeded, nearly level, with bends all over its range."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from solver.network import Network, initial_weights, unknown_network

RANGE, LEVEL = (0.3, 2.3), 4.5
WIDTHS = [(), (1,), (3, 5), (20, 20, 20)]


def started(seed: int, widths: tuple[int, ...] = (20, 20, 20)) -> Network:
    return Network(np.array(initial_weights(widths, seed)), widths, "x", RANGE, LEVEL)


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_a_seed_is_a_start(widths: tuple[int, ...]) -> None:
    assert initial_weights(widths, 3) == initial_weights(widths, 3)
    starts = {initial_weights(widths, seed) for seed in range(30)}
    assert len(starts) == 30
    assert all(isinstance(weight, float) for weight in initial_weights(widths, 3))
    assert unknown_network("k", widths, 3).weights.start == initial_weights(widths, 3)


def test_the_start_is_nearly_the_level_and_exactly_so_without_the_last_layer() -> None:
    inside = np.linspace(*RANGE, 41)
    bends = [np.abs(started(seed).value(inside) / LEVEL - 1.0).max() for seed in range(50)]
    assert 0.01 < np.median(bends) < 0.1
    assert max(bends) < 0.3
    weights = started(0).weights.copy()
    weights[-21:] = 0.0
    law = replace(started(0), weights=weights)
    np.testing.assert_allclose(law.value(inside), LEVEL, rtol=1e-15)
    tenfold = [replace(started(seed), weights=10 * started(seed).weights) for seed in range(50)]
    assert max(np.abs(law.value(inside) / LEVEL - 1.0).max() for law in tenfold) > 0.3


def test_every_part_of_the_range_has_a_bend() -> None:
    for seed in range(10):
        w, b = np.split(np.array(initial_weights((20, 20, 20), seed))[:40], 2)
        assert set(np.abs(w)) == {1.0}
        assert set(w) == {-1.0, 1.0}
        parts = np.floor((1.0 - b / w) * 10.0)
        assert sorted(parts) == list(range(20))
        assert list(parts) != sorted(parts)


def test_the_layers_between_are_of_glorots_size() -> None:
    weights = np.array(initial_weights((20, 20, 20), 0))
    W, b = weights[40:440], weights[440:460]
    assert 0.98 < np.abs(W).max() / math.sqrt(6.0 / 40.0) <= 1.0
    assert abs(np.std(W) / math.sqrt(2.0 / 40.0) - 1.0) < 0.1
    np.testing.assert_array_equal(b, 0.0)


def iterations(start: np.ndarray, enough: float = 1e-3, most: int = 60) -> int:
    """Of L-BFGS to a relative error `enough` in a smooth function at 50 points."""
    s = np.linspace(*RANGE, 50)
    x = (s - RANGE[0]) / 2.0
    wanted = 2.0 + 0.5 * np.sin(3.0 * x) + x**2
    scale = float(wanted @ wanted)
    law, errors = Network(start, (20, 20, 20), "x", RANGE, 2.0), []

    def misfit(weights: np.ndarray) -> tuple[float, np.ndarray]:
        here = replace(law, weights=weights)
        r = here.value(s) - wanted
        return 0.5 * float(r @ r) / scale, here.pull(s, r) / scale

    def accepted(weights: np.ndarray) -> None:
        errors.append(math.sqrt(2.0 * misfit(weights)[0]))
        if errors[-1] <= enough:
            raise StopIteration

    options = {"maxiter": most, "maxcor": 30, "ftol": 1e-16, "gtol": 1e-13}
    minimize(misfit, start, jac=True, method="L-BFGS-B", callback=accepted, options=options)
    return len(errors) if errors[-1] <= enough else most + 1


def test_a_smooth_function_is_fitted_from_every_seed() -> None:
    found = [iterations(started(seed).weights) for seed in range(6)]
    assert max(found) <= 60
    steps = started(0).weights.copy()
    steps[:40] *= 100.0  # in the place of bends
    assert iterations(steps) > max(found)
