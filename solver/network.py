r"""A material law given by a small neural network: a tanh multilayer perceptron of one input.

The input s is mapped from its range [a, b] to ``t = (2 s - a - b) / (b - a)``; with ``A_0 = t``,

    A_l = tanh(W_l A_{l-1} + b_l),    l = 1 .. L,    z = W_{L+1} A_L + b_{L+1},
    value = level softplus(z) / ln 2,    softplus(z) = ln(1 + e^z).

Softplus makes the law positive, down to where e^z underflows (z = -745), and over ln 2 it is 1 at
z = 0. Back from ``z_bar = level / ln 2 / (1 + e^-z)``, the derivative by z at each point,

    Z_{L+1}_bar = z_bar,    Z_l_bar = (1 - A_l^2) (W_{l+1}^T Z_{l+1}_bar),
    W_l_bar = Z_l_bar A_{l-1}^T,    b_l_bar = Z_l_bar,

point by point for the rows of the Jacobian, summed over the points for its transpose. All of it is
analytic, so that complex weights or a complex s give derivatives by complex step.

References: Rumelhart, Hinton & Williams, Nature 323 (1986) 533-536, the multilayer perceptron and
backpropagation; Dugas, Bengio, Belisle, Nadeau & Garcia, NIPS 13 (2001), softplus; Glorot & Bengio,
AISTATS (2010) 249-256, the size of the first weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import index

import numpy as np
from scipy.special import log1p

from solver.curves import Numbers, Partials, Unknown, Variable, numbers
from solver.kept import fixed
from solver.kernels import Array

Layer = tuple[Array, Array]  # W_l (to, from) and b_l (to,), or something for each of them

# The start. A unit of the first layer bends at t = -b / w, over a width of 1 / |w|. With b = 0 all
# bend in the middle: the network starts odd about it, and L-BFGS is long in pulling the bends
# apart. Here each of the n units bends in its own n-th of [-1, 1]. Iterations of L-BFGS to a
# relative error of 1e-4 (of waves 1e-3), 20-20-20 through 50 points on [0, 1], level 2: the median
# of 10 seeds, and how many of them arrived within 300.
#
#     2 + sin(3 x) / 2 + x^2    2 + tanh(20 x - 12)    e^(2 x)     2 + sin(12 x)
#     - (3)                     189 (9)                126 (9)     - (0)        Glorot, b = 0
#     - (3)                     211 (7)                 93 (10)    - (0)        b in [-1, 1]
#     91 (10)                   158 (9)                107 (10)    256 (6)      |w| = 1, spread
#     109 (10)                  180 (8)                139 (10)    170 (9)      |w| = 2, spread
#     190 (10)                  246 (8)                271 (7)     102 (10)     |w| = 5, spread
#
# The least |w| is also the smoothest between noisy points. The last layer's size hardly matters to
# the search, as long as that sees all weights in one unit; 0.1 starts within some 5 % of the level.
BEND = 1.0  # |w| in the first layer
LAST = 0.1  # the last layer over Glorot's

# Points at a time. Larger products a BLAS shares out among threads, which then wait for each other
# wherever several searches run side by side.
BLOCK = 512


@dataclass(frozen=True, eq=False)
class Network:
    """``level softplus(z) / ln 2`` with z the output of a tanh network of s.

    weights (W,): layer by layer the matrix W_l (to, from) row by row, then the biases b_l (to,).
    widths: how many units each hidden layer has; none, and z is a straight line.
    range: what of s is mapped to [-1, 1]; the formula holds beyond it too.
    level: the law's typical size, its value where the last layer is zero.

    A range and a level that are left out are for the caller to fill in (`filled`). To evaluate the
    law raises ValueError where one is missing or makes no sense, where the weights are still
    unknown, or where they are not as many as the widths take.
    """

    weights: Numbers
    widths: tuple[int, ...]
    of: Variable = "x"
    range: tuple[float, float] | None = None
    level: float | None = None

    def __post_init__(self) -> None:
        w = self.weights  # of an array `numbers` would look at each one, at every step of a search
        if isinstance(w, np.ndarray):
            known = fixed(w.astype(np.result_type(w, float)))
        else:
            known = numbers(w)
        object.__setattr__(self, "weights", known)
        object.__setattr__(self, "widths", tuple(self.widths))  # `resolve` makes lists of tuples
        if self.range is not None:
            object.__setattr__(self, "range", tuple(self.range))

    def filled(self, range: tuple[float, float], level: float) -> Network:
        """With this range and this level where it has none of its own."""
        own = range if self.range is None else self.range
        return replace(self, range=own, level=level if self.level is None else self.level)

    def value(self, s: Array) -> Array:
        z = np.concatenate([self._forward(part)[2] for part in _blocks(np.ravel(s))])
        return np.asarray(self._unit() * _softplus(z)).reshape(np.shape(s))

    def partials(self, s: Array) -> Partials:
        layers, activations, z_bar = self._linearised(s)
        matrix = np.empty((count(self.widths), z_bar.size), z_bar.dtype)
        blocks = reversed(_split(matrix, self.widths))
        back = _backward(layers, activations, z_bar)
        for (W_bar, b_bar), (Z_bar, A) in zip(blocks, back, strict=True):
            np.multiply(Z_bar[:, None], A, out=W_bar)
            b_bar[:] = Z_bar
        return {"weights": matrix.T}

    def pull(self, s: Array, value_bar: Array) -> Array:
        """``(d value / d weights)^T value_bar``, (s,) to (W,), without the matrix."""
        pulled = zip(_blocks(s), _blocks(value_bar), strict=True)
        return np.asarray(sum(self._pull(part, bar) for part, bar in pulled))

    def _pull(self, s: Array, value_bar: Array) -> Array:
        layers, activations, z_bar = self._linearised(s)
        parts: list[Array] = []
        for Z_bar, A in _backward(layers, activations, z_bar * value_bar):
            parts += [Z_bar.sum(axis=1), np.ravel(Z_bar @ A.T)]
        return np.concatenate(parts[::-1])

    def push(self, s: Array, weights_dot: Array) -> Array:
        """``(d value / d weights) weights_dot``, (W,) to (s,) or (q, W) to (q, s), as `pull`.

        It pays for few directions; many are better multiplied with the matrix.
        """
        rows = np.atleast_2d(weights_dot)
        pushed = np.concatenate([self._push(part, rows) for part in _blocks(s)], axis=1)
        return np.reshape(pushed, (*np.shape(weights_dot)[:-1], s.size))

    def _push(self, s: Array, rows: Array) -> Array:
        layers, activations, z_bar = self._linearised(s)
        tangents = [_tangent(layers, activations, _split(row, self.widths)) for row in rows]
        return np.reshape([z_bar * z_dot for z_dot in tangents], (len(rows), s.size))

    def _forward(self, s: Array) -> tuple[list[Layer], list[Array], Array]:
        """The layers, the activations A_0 .. A_L (units, s), and z (s,)."""
        layers = _split(self._known(), self.widths)
        activations = [self._mapped(np.reshape(s, (1, -1)))]
        for W, b in layers[:-1]:
            activations.append(np.tanh(W @ activations[-1] + b[:, None]))
        W, b = layers[-1]
        return layers, activations, np.ravel(W @ activations[-1]) + b

    def _linearised(self, s: Array) -> tuple[list[Layer], list[Array], Array]:
        """As `_forward`, with d value / d z in the place of z."""
        layers, activations, z = self._forward(s)
        return layers, activations, np.asarray(self._unit() * _logistic(z))

    def _known(self) -> Array:
        wanted = count(self.widths)
        if not isinstance(self.weights, np.ndarray):
            raise ValueError("a network is evaluated with numbers in the place of unknown weights")
        if self.weights.shape != (wanted,):
            shape = self.weights.shape
            raise ValueError(f"the widths take a list of {wanted} weights, not the shape {shape}")
        return self.weights

    def _mapped(self, s: Array) -> Array:
        if self.range is None:
            raise ValueError("the range of a network has not been filled in")
        a, b = self.range
        if not 0.0 < b - a < np.inf:
            raise ValueError(f"the range of a network increases, not from {a:g} to {b:g}")
        return np.asarray(((s - a) - (b - s)) / (b - a))

    def _unit(self) -> float:
        if self.level is None:
            raise ValueError("the level of a network has not been filled in")
        if not 0.0 < self.level < np.inf:
            raise ValueError(f"the level of a network is positive, not {self.level:g}")
        return float(self.level / np.log(2.0))


def count(widths: tuple[int, ...]) -> int:
    """The number W of weights and biases.

    Raises ValueError for a layer without units, TypeError for a width that is no integer.
    """
    if any(width < 1 for width in widths):
        raise ValueError(f"a hidden layer has at least one unit: {list(widths)}")
    return sum((of + 1) * to for of, to in pairwise((1, *map(index, widths), 1)))


def initial_weights(widths: tuple[int, ...], seed: int) -> tuple[float, ...]:
    """Where a search starts: nearly the constant law, its bends spread over the range.

    The layers between are uniform within Glorot's ``+-sqrt(6 / (from + to))``, with biases of 0.
    The same seed gives the same weights.
    """
    count(widths)
    rng = np.random.default_rng(seed)
    parts: list[Array] = []
    for layer, (of, to) in enumerate(pairwise((1, *widths, 1))):
        W, b = rng.uniform(-1.0, 1.0, (to, of)) * np.sqrt(6.0 / (of + to)), np.zeros(to)
        if layer == len(widths):
            W *= LAST
        elif layer == 0:
            W = np.copysign(BEND, W)
            b = W[:, 0] * (1.0 - 2.0 / to * (rng.permutation(to) + rng.random(to)))
        parts += [W.ravel(), b]
    return tuple(np.concatenate(parts).tolist())


def unknown_network(
    name: str,
    widths: tuple[int, ...],
    seed: int = 0,
    weights: tuple[float, ...] | None = None,
    of: Variable = "x",
    range: tuple[float, float] | None = None,
    level: float | None = None,
) -> Network:
    """A network whose weights are the unknown `name`; the search starts at `weights`, or seeded."""
    start = initial_weights(widths, seed) if weights is None else weights
    return Network(Unknown(name, tuple(start)), widths, of, range, level)


def _blocks(s: Array) -> list[Array]:
    """Parts of at most `BLOCK` points."""
    return np.split(s, range(BLOCK, s.size, BLOCK))


def _split(weights: Array, widths: tuple[int, ...]) -> list[Layer]:
    """Views of an array that has the weights along its first axis: W_l (to, from), b_l (to,)."""
    layers, begin = [], 0
    for of, to in pairwise((1, *widths, 1)):
        middle, end = begin + of * to, begin + (of + 1) * to
        W = weights[begin:middle].reshape(to, of, *weights.shape[1:])
        layers.append((W, weights[middle:end]))
        begin = end
    return layers


def _backward(
    layers: list[Layer], activations: list[Array], z_bar: Array
) -> Iterator[tuple[Array, Array]]:
    """From the last layer to the first: Z_l_bar (to, s), and A_{l-1} (from, s) that it met."""
    Z_bar = z_bar[None]
    for (W, _), A in zip(layers[:0:-1], activations[:0:-1], strict=True):
        yield Z_bar, A
        Z_bar = (1.0 - A * A) * (W.T @ Z_bar)
    yield Z_bar, activations[0]


def _tangent(layers: list[Layer], activations: list[Array], layers_dot: list[Layer]) -> Array:
    """z_dot (s,) of a change of the layers."""
    Z_dot = np.zeros_like(activations[0])  # the input does not change
    for (W, _), (W_dot, b_dot), A in zip(layers, layers_dot, activations, strict=True):
        Z_dot = W_dot @ A + W @ ((1.0 - A * A) * Z_dot) + b_dot[:, None]
    return np.ravel(Z_dot)


def _softplus(z: Array) -> Array:
    """``ln(1 + e^z)``, without overflow, and analytic: the branch is that of the real part."""
    above = z.real > 0.0
    return np.asarray(np.where(above, z, 0.0) + log1p(np.exp(np.where(above, -z, z))))


def _logistic(z: Array) -> Array:
    """``1 / (1 + e^-z)``, the derivative of softplus, in the same way."""
    above = z.real > 0.0
    small = np.exp(np.where(above, -z, z))
    return np.asarray(np.where(above, 1.0, small) / (1.0 + small))
