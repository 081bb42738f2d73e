r"""Unknown curves held smooth, and how strongly: the weight chosen from the readings themselves.

The misfit gains the term ``weight |L v|^2`` for the values v at a curve's knots s. The rows of L
make it dimensionless, so that one weight means the same whatever the units and the knots,

    order 1:  |L v|^2 = span / size^2 integral (dv/ds)^2 ds       (exactly, v piecewise linear)
    order 2:  |L v|^2 ~ span^3 / size^2 integral (d2v/ds2)^2 ds   (by three-point differences).

The weight is chosen where the model has been linearised: ``|r + R d|^2 + weight |l + L d|^2``,
l = L theta. In the basis that makes R and L diagonal, mode i passes into the fit by the filter
factor ``f_i = 1 / (1 + weight h_i)``; A, which takes the readings to their fit, has ``tr A`` = sum
f_i effective parameters. Then one score is minimised over log weight:

* sigma given, the discrepancy principle: what is left of the readings shall be what noise leaves.
  Morozov's ``|r|^2 = M`` counts all M readings, whose fluctuation sqrt(2 M) exceeds the few
  parameters in question. So it is taken where the curve could still follow the readings,

      r^T A r = gamma tr(A - A^2),

  the discrepancy in the smoother's own norm, and of several such weights the one of least risk:
  these are the stationary points of ``|r|^2 + 2 gamma tr A``, at gamma = 1 Mallows's estimate.
* sigma not given, or contradicted by every weight, generalised cross-validation:
  ``|r|^2 / (M - n - gamma (tr A - n))^2``, n combinations of unknowns carrying no penalty.

At gamma = 1 either takes noise for signal now and then, the more so the fewer the readings; to
count a parameter ``gamma = 1.4`` times (Kim & Gu) ends that. Measured on a triangular flux through
100 knots, sensor at mid-depth, 1 % noise, 50 seeds: median error over the best weight's (and the
90th percentile of their ratio), for so many readings:

                                     100           200           2000          10000
    |r|^2 = M                    1.27 (1.54)   1.28 (1.99)   1.73 (8.28)   1.82 (191)
    |r|^2 = M - tr A             1.33 (21.3)   1.37 (224)    1.85 (431)    2.23 (596)
    discrepancy, as here         1.06 (1.11)   1.05 (1.17)   1.06 (1.13)   1.03 (1.10)
    cross-validation, gamma 1    1.15 (1.51)   1.08 (1.68)   1.11 (1.56)   1.08 (1.44)
    the same, as here            1.05 (1.09)   1.04 (1.18)   1.05 (1.14)   1.03 (1.12)

Both weights are best for the readings. Bands told with them cover nearly what they promise of an
unknown flux (of the pulses above on average 0.91 to 0.98, for 0.95). Of a law learned as a network
they cover too little: such a law's trend is held too, which costs the readings next to nothing.
There the penalty is taken as a prior of the curve. Minus twice the logarithm of the readings'
likelihood is, but for a constant,

    sum_i d_i^2 (1 - f_i) - ln (1 - f_i),    d_i the readings' component along mode i,

or where sigma is not given, with (M - n) ln (sum_i d_i^2 (1 - f_i) + rest) for the first sum. The
band's weight is the least that comes within 1 of the likeliest, one standard deviation, if that is
less: few readings hardly know it. Bands of the lecture's network, 10 % noise, 12 seeds, then cover
0.95 of its observed half on average; 0.91 by the likeliest weight itself.

Both take the noise to be independent; where it has a memory they follow it. Where no reading hears
of a curve, as of a flux just before the end of the run, order 1 holds it level, order 2 straight.

References: Morozov, Soviet Math. Dokl. 7 (1966) 414-417; Mallows, Technometrics 15 (1973) 661-675;
Craven & Wahba, Numer. Math. 31 (1979) 377-403; Beck, Blackwell & St. Clair, Inverse Heat Conduction
(1985); Hansen, Rank-Deficient and Discrete Ill-Posed Problems (1998), section 2.3 (standard form)
and chapter 7; Wahba, Ann. Stat. 13 (1985) 1378-1402 (the likeliest weight); Kim & Gu, J. R. Stat.
Soc. B 66 (2004) 337-356 (gamma); Blanchard & Mathé, Inverse Problems 28 (2012) 115011 (the
discrepancy in a weaker norm, for white noise).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_array, diags_array

from solver.kernels import Array

DISCREPANCY, CROSS_VALIDATION = "discrepancy", "generalised cross-validation"
GAMMA = 1.4  # how often an effective parameter counts
DECADES = -14, 4  # of the weight, from the one that halves what the penalty holds least
PER_DECADE = 8
AS_LIKELY = 1.0  # difference of -2 ln likelihood between weights that are as likely
TIE = 0.01  # a difference of scores, in units of chi^2, that is none
MOST = 0.9  # parameters per reading at which next to nothing is left as noise
BEYOND = 4.0  # standard deviations at which the residuals contradict sigma
ROUND_OFF = 1e-10  # relative size below which a singular value, or a residual, is zero

LARGEST = (
    "The smoothest curve fits the readings within their noise: they ask for no more structure."
)
FOLLOWED = "The fit follows the readings as if they had no noise; if they have, see about sigma."
CONTRADICTED = (
    "No weight brings the residuals down to sigma: it is too small, or the model misses something. "
    "The weight was chosen as if sigma were not given."
)
UNSEEN = "The readings say nothing of the curve's shape: any weight fits them alike."


@dataclass(frozen=True)
class Choice:
    """A weight, the criterion that chose it, and the linearised fit that it gives.

    band_weight: no larger, for the bands of networks. effective_parameters: tr A, unknowns without
    a penalty included. residual_sum: |r|^2.
    remark: what to tell of a weight at an end of its range, or of a sigma that cannot be, or "".
    """

    weight: float
    band_weight: float
    effective_parameters: float
    criterion: str
    residual_sum: float
    remark: str


def difference_rows(knots: Array, order: int, size: float) -> csr_array:
    """L (knots - order, knots) for a curve through increasing `knots` with values of about `size`.

    No rows where the knots are too few. Raises ValueError where `order` is neither 1 nor 2.
    """
    if order not in (1, 2):
        raise ValueError(f"differences of order {order}, not 1 or 2")
    if knots.size <= order:
        return csr_array((0, knots.size))
    h, span = np.diff(knots), knots[-1] - knots[0]
    slopes = _quotients(h)
    if order == 1:
        return _times(np.sqrt(span * h) / size, slopes)
    cells = 0.5 * (h[:-1] + h[1:])
    return _times(np.sqrt(span**3 * cells) / size, csr_array(_quotients(cells) @ slopes))


def choose_weight(
    r: Array, R: Array, L: csr_array | Array, values: Array, *, sigma_given: bool
) -> Choice:
    """The weight of ``|values + L d|^2`` beside ``|r + R d|^2``.

    r (M,): residuals y - d at the point of linearisation, over sigma where that is given, else all
    of one unknown sigma. R (M, p): their Jacobian. L (q, p): the penalty's, its columns zero for
    unknowns without one. values (q,): the penalty at the point. Where the model is linear the point
    does not matter; else linearise, choose and fit until the weight stays. O(M p^2 + p^3), once.
    """
    modes = _decompose(r, R, csr_array(L).toarray(), values)
    if not modes.stiffness.size:
        return modes.choice(1.0, DISCREPANCY if sigma_given else CROSS_VALIDATION, UNSEEN)
    if sigma_given:
        weight, remark = _least(modes.risk, modes.range)
        if not modes.contradict_sigma(weight):
            followed = modes.effective(weight) > MOST * modes.readings
            return modes.choice(weight, DISCREPANCY, FOLLOWED if followed else remark)
    weight, remark = _least(modes.cross_validation, modes.range)
    return modes.choice(weight, CROSS_VALIDATION, CONTRADICTED if sigma_given else remark)


@dataclass(frozen=True)
class _Modes:
    """The linearised problem made diagonal.

    data (k,): the readings' components along modes that carry a penalty; stiffness (k,): their h_i.
    fixed: n. rest: the square of what no unknown can fit. power: that of all there is to fit.
    """

    data: Array
    stiffness: Array
    readings: int
    fixed: int
    rest: float
    power: float

    @property
    def range(self) -> Array:
        """Sensible weights, from the largest down."""
        low, high = DECADES
        decades = np.linspace(high, low, PER_DECADE * (high - low) + 1)
        return np.asarray(10.0**decades / self.stiffness.min())

    def passed(self, weight: float) -> Array:
        """The filter factors f_i."""
        return np.asarray(1.0 / (1.0 + weight * self.stiffness))

    def effective(self, weight: float) -> float:
        return self.fixed + float(self.passed(weight).sum())

    def residual_sum(self, weight: float) -> float:
        return self.rest + float(np.sum(((1.0 - self.passed(weight)) * self.data) ** 2))

    def risk(self, weight: float) -> float:
        return self.residual_sum(weight) + 2.0 * GAMMA * self.effective(weight)

    def cross_validation(self, weight: float) -> float:
        """M times the logarithm of the criterion, which puts it in units of chi^2."""
        freedom = self.readings - self.fixed - GAMMA * (self.effective(weight) - self.fixed)
        if freedom <= 0.0:
            return np.inf
        remaining = max(self.residual_sum(weight), ROUND_OFF**2 * self.power) or 1.0
        return float(self.readings * (np.log(remaining) - 2.0 * np.log(freedom)))

    def surprise(self, weight: float) -> float:
        """Minus twice the logarithm of the readings' likelihood where sigma is given."""
        return self._unexplained(weight) - self._narrowing(weight)

    def surprise_of_any_sigma(self, weight: float) -> float:
        """The same with the sigma that makes them likeliest."""
        remaining = max(self.rest + self._unexplained(weight), ROUND_OFF**2 * self.power) or 1.0
        freedom = max(self.readings - self.fixed, 1)
        return float(freedom * np.log(remaining)) - self._narrowing(weight)

    def _unexplained(self, weight: float) -> float:
        return float(np.sum(self.data**2 * (1.0 - self.passed(weight))))

    def _narrowing(self, weight: float) -> float:
        return float(np.sum(np.log1p(-self.passed(weight))))

    def contradict_sigma(self, weight: float) -> bool:
        most = self.readings - self.effective(weight) + BEYOND * np.sqrt(2.0 * self.readings)
        return bool(self.residual_sum(weight) > most)

    def choice(self, weight: float, criterion: str, remark: str) -> Choice:
        given = criterion == DISCREPANCY
        band_weight = weight
        if self.stiffness.size:
            score = self.surprise if given else self.surprise_of_any_sigma
            scores = np.array([score(w) for w in self.range])
            band_weight = min(weight, float(self.range[scores <= scores.min() + AS_LIKELY][-1]))
        effective, left = self.effective(weight), self.residual_sum(weight)
        return Choice(weight, band_weight, effective, criterion, left, remark)


def _decompose(r: Array, R: Array, L: Array, values: Array) -> _Modes:
    """The standard form, what carries no penalty being fitted beforehand, and its SVD."""
    T, t = _condense(r, R)
    curved = L.any(axis=0)
    unit = np.linalg.norm(L[:, curved], axis=0)  # unknowns by their share in the penalty
    P, s, Vt = np.linalg.svd(L[:, curved] / unit)
    s = s[s > ROUND_OFF * s.max(initial=0.0)]
    along = T[:, curved] / unit
    bends, flats = along @ Vt[: s.size].T / s, along @ Vt[s.size :].T
    t = t - bends @ (P[:, : s.size].T @ values)  # as if linearised where the penalty is zero
    free = _span(np.hstack([T[:, ~curved], flats]))
    left, todo = bends - free @ (free.T @ bends), t - free @ (free.T @ t)
    U, gains, _ = np.linalg.svd(left, full_matrices=False)
    seen = gains > ROUND_OFF * np.linalg.norm(bends)
    data = U[:, seen].T @ todo
    rest = float(np.sum((todo - U[:, seen] @ data) ** 2))
    return _Modes(data, gains[seen] ** -2.0, r.size, free.shape[1], rest, float(t @ t))


def _condense(r: Array, R: Array) -> tuple[Array, Array]:
    """T and t of at most p + 1 rows with ``|r + R d| = |t + T d|``, a block of rows at a time."""
    p = R.shape[1]
    table, rows = np.zeros((0, p + 1)), 4 * (p + 1)
    for i in range(0, r.size, rows):
        block = np.column_stack([R[i : i + rows], r[i : i + rows]])
        table = np.asarray(np.linalg.qr(np.vstack([table, block]), mode="r"))
    return table[:, :p], table[:, p]


def _span(columns: Array) -> Array:
    """An orthonormal basis of what the columns span, whatever their units."""
    lengths = np.linalg.norm(columns, axis=0)
    some = lengths > 0.0
    Q, upper, _ = qr(columns[:, some] / lengths[some], mode="economic", pivoting=True)
    return np.asarray(Q[:, : int(np.sum(np.abs(np.diagonal(upper)) > ROUND_OFF))])


def _least(score: Callable[[float], float], weights: Array) -> tuple[float, str]:
    """The weight of the least score, of equals the largest, and a remark where it is an end."""
    scores = np.array([score(weight) for weight in weights])
    best = int(np.argmax(scores <= scores.min() + TIE))
    if best in (0, weights.size - 1):
        return float(weights[best]), FOLLOWED if best else LARGEST
    around = np.log(weights[best + 1]), np.log(weights[best - 1])
    found = minimize_scalar(lambda z: score(np.exp(z)), bounds=around, method="bounded")
    return float(f"{np.exp(found.x):.4g}"), ""  # nearer ones are told apart by round-off alone


def _quotients(widths: Array) -> csr_array:
    """The rows (v_{i+1} - v_i) / width_i."""
    n = widths.size
    diagonals = np.array([-1.0 / widths, 1.0 / widths])
    return csr_array(diags_array(diagonals, offsets=[0, 1], shape=(n, n + 1)))


def _times(factors: Array, rows: csr_array) -> csr_array:
    return csr_array(diags_array(factors) @ rows)
