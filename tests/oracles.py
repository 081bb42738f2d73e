r"""The bar, written a second time: dense, slow and obviously right.

Nothing here comes from the solver's assembly, march, kernels or sensors: the matrix is built row by
row from the equation ``u_t = kappa u_xx + f`` and the ghost nodes of the ends, stages are solved
densely, and a reading is one interpolation at a time. Everything accepts complex parameter values,
so the gradient of the misfit follows by complex step, exact to round-off.

Two statements differ on purpose from the solver's: pinned nodes stay unknowns here, each with its
own row ``u = g(t)``, and the cotangents have no counterpart at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lu_factor, lu_solve

from solver import BOUNDARIES, TABLEAUX, Experiment, Unknown
from solver.curves import resolve
from tests.verification import complex_step

Array = NDArray[Any]
Values = Mapping[str, Any]


def start_values(experiment: Experiment) -> dict[str, float]:
    """The start value of every unknown, by name, in the order of the experiment's fields."""
    found: dict[str, float] = {}
    _collect(experiment, found)
    return found


def dense(bands: Array) -> Array:
    """The tridiagonal matrix of `bands` (3, N): entry below, sum of the row, entry above."""
    n = bands.shape[1]
    K = np.zeros((n, n), bands.dtype)
    for r in range(n):
        K[r, r] = bands[1, r]
        for band, column in ((0, r - 1), (2, r + 1)):
            if 0 <= column < n:
                K[r, column] = bands[band, r]
                K[r, r] -= bands[band, r]
    return K


def dirk(
    K: Array,
    load: Callable[[int, int], Array],
    A: Array,
    dt: float,
    steps: int,
    initial: Array,
    pinned: Callable[[int, int], dict[int, Any]] = lambda step, stage: {},
) -> Array:
    """March ``u' = K u + load`` by the DIRK tableau A: u after every step (steps + 1, N).

    load(k, i) is the load at stage i of step k, pinned(k, i) the nodes that are held there with
    their values. The last stage is the new state.
    """
    held = list(pinned(0, 0))
    solve = [_stage_solver(K, dt * a, held) for a in np.diagonal(A)]
    u = initial.astype(np.result_type(K, initial, load(0, 0), np.float64))
    out = [u]
    for k in range(steps):
        slopes: list[Array] = []
        for i in range(len(A)):
            rhs = u + dt * sum(A[i, j] * slopes[j] for j in range(i)) + dt * A[i, i] * load(k, i)
            for node, value in pinned(k, i).items():
                rhs[node] = value
            stage = solve[i](rhs)
            slopes.append(K @ stage + load(k, i))
        u = stage
        out.append(u)
    return np.array(out)


def field(experiment: Experiment, values: Values) -> Array:
    """Temperatures at all nodes and steps (steps + 1, cells + 1)."""
    e, n, m = experiment, experiment.bar.cells, experiment.time.steps
    dx, dt = e.bar.length / n, e.time.end / m
    A = TABLEAUX[e.time.method].A
    x = np.array([i * dx for i in range(n + 1)])
    # the solver's grid ends exactly on the bar's end and the run's end
    x[-1] = e.bar.length
    t = np.array([[(k + sum(row)) * dt for row in A] for k in range(m)])
    kappa = curve(e.material.diffusivity, values, x)
    K, drive = _rows(e, kappa, dx)
    loads = _loads(e, values, x, t, drive)
    held = {node: curve(end.value, values, t) for node, end in _ends(e) if end.pinned}
    initial = curve(e.bar.initial, values, x)
    initial = initial.astype(np.result_type(initial, loads, *held.values()))
    for node, end in _ends(e):
        if end.pinned:
            initial[node] = curve(end.value, values, np.zeros(1))[0]
    return dirk(
        K,
        lambda k, i: loads[k, i],
        A,
        dt,
        m,
        initial,
        lambda k, i: {node: g[k, i] for node, g in held.items()},
    )


def readings(experiment: Experiment, values: Values) -> Array:
    """What the sensors would have read at every reading that is there, sensor after sensor."""
    u = field(experiment, values)
    return np.array([_bilinear(experiment, u, x, t) for x, t, _, _ in samples(experiment)])


def misfit(experiment: Experiment, values: Values) -> Any:
    """``J = sum ((y - d) / sigma)^2``, without a conjugate."""
    y = readings(experiment, values)
    d = np.array([temperature for _, _, temperature, _ in samples(experiment)])
    sigma = np.array([s for _, _, _, s in samples(experiment)])
    return sum(((y - d) / sigma) ** 2)


def misfit_gradient(experiment: Experiment, values: Mapping[str, float]) -> Array:
    """dJ/d value, in the order of `values`, by complex step."""
    names = list(values)

    def J(m: Array) -> Any:
        return misfit(experiment, dict(zip(names, m, strict=True)))

    return complex_step(J, np.array(list(values.values())))


def samples(experiment: Experiment) -> Iterator[tuple[float, float, float, float]]:
    """Every reading that is there: place, time, temperature and standard deviation."""
    for sensor in experiment.sensors:
        for k, temperature in enumerate(sensor.temperatures):
            if not math.isnan(temperature):
                listed = np.ndim(sensor.sigma) > 0
                sigma = sensor.sigma[k] if listed else sensor.sigma or 1.0
                yield sensor.x, sensor.times[k], temperature, sigma


def curve(part: Any, values: Values, s: Array) -> Array:
    """A number, an unknown or a curve at `s`."""
    if isinstance(part, Unknown):
        return np.full(s.shape, values[part.name])
    if isinstance(part, int | float):
        return np.full(s.shape, float(part))
    return resolve(part, values).value(s)


def _collect(part: Any, found: dict[str, float]) -> None:
    if isinstance(part, Unknown):
        found.setdefault(part.name, part.start)
    elif isinstance(part, tuple):
        for item in part:
            _collect(item, found)
    elif hasattr(part, "__dataclass_fields__"):
        for name in part.__dataclass_fields__:
            _collect(getattr(part, name), found)


def _ends(e: Experiment) -> tuple[tuple[int, Any], tuple[int, Any]]:
    return (0, e.left), (e.bar.cells, e.right)


def _rows(e: Experiment, kappa: Array, dx: float) -> tuple[Array, dict[int, Any]]:
    """K, and what one unit of each end's value adds to the slope of the end's node.

    A free end has a ghost node beyond it, ``u_ghost = u_inside + 2 dx q / kappa``.
    """
    n = e.bar.cells
    K = np.zeros((n + 1, n + 1), kappa.dtype)
    for i in range(1, n):
        K[i, i - 1] += kappa[i] / dx**2
        K[i, i] -= 2 * kappa[i] / dx**2
        K[i, i + 1] += kappa[i] / dx**2
    drive: dict[int, Any] = {}
    for (node, end), inside in zip(_ends(e), (1, n - 1), strict=True):
        if type(end) is BOUNDARIES["flux"]:
            K[node, node] -= 2 * kappa[node] / dx**2
            K[node, inside] += kappa[node] / dx**2 + kappa[node] / dx**2
            drive[node] = (kappa[node] / dx**2) * (2 * dx / kappa[node])
        elif type(end) is not BOUNDARIES["temperature"]:
            raise NotImplementedError(f"state here, independently, what {end!r} does to its row")
    return K, drive


def _loads(e: Experiment, values: Values, x: Array, t: Array, drive: dict[int, Any]) -> Array:
    """Sources and end fluxes at every stage (steps, stages, N)."""
    terms = [
        np.multiply.outer(curve(s.history, values, t), curve(s.profile, values, x))
        for s in e.source
    ]
    for node, end in _ends(e):
        if node in drive:
            unit = np.array([drive[node] if i == node else 0.0 for i in range(x.size)])
            terms.append(np.multiply.outer(curve(end.value, values, t), unit))
    return sum(terms, np.zeros((*t.shape, x.size)))


def _stage_solver(K: Array, step: float, held: list[int]) -> Callable[[Array], Array]:
    """The solver of ``u - step K u = rhs`` on free nodes and ``u = rhs`` on held ones."""
    M = np.eye(len(K)) - step * K
    for node in held:
        M[node] = np.eye(len(K))[node]
    factors = lu_factor(M)
    return lambda rhs: lu_solve(factors, rhs)


def _bilinear(e: Experiment, u: Array, x: float, t: float) -> Any:
    """The field between its two nodes and its two steps."""
    i, p = _cell(x / (e.bar.length / e.bar.cells), e.bar.cells)
    k, q = _cell(t / (e.time.end / e.time.steps), e.time.steps)
    before = (1 - p) * u[k, i] + p * u[k, i + 1]
    after = (1 - p) * u[k + 1, i] + p * u[k + 1, i + 1]
    return (1 - q) * before + q * after


def _cell(position: float, count: int) -> tuple[int, float]:
    below = min(max(math.floor(position), 0), count - 1)
    return below, position - below
