r"""The solver, written a second time: dense, slow and obviously right.

Nothing here comes from the solver's assembly, sampling, march, kernels, sensors or penalties: the
rows are those of `tests.dense_bar`, stages are solved densely, and a reading is one interpolation
at a time. Where matter changes with its temperature the field is that of `tests.dense_newton`. Only
the nodes' positions, the tableaux and the curves' values at a point are taken over. Everything
accepts complex parameter values, so any derivative follows by complex step, exact to round-off.

Two statements differ on purpose from the solver's: pinned nodes stay unknowns here, each with its
own row ``u = g(t)``, and the cotangents have no counterpart at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.linalg import lu_factor, lu_solve

from solver import TABLEAUX, Experiment, Table, Unknown
from solver.experiment import Study
from solver.network import Network
from tests import dense_newton
from tests.dense_bar import (
    Array,
    Values,
    changes,
    curve,
    ends,
    is_kind,
    of_temperature,
    rows,
    scaled,
)
from tests.verification import complex_step

Weights = Mapping[str, float]  # of the curves that are held smooth, by name


def start_values(study: Study) -> dict[str, Any]:
    """The start value of every unknown, by name, in the order of the study's fields."""
    found: dict[str, Any] = {}
    for unknown in unknowns(study.experiments):
        start = np.array(unknown.start) if isinstance(unknown.start, tuple) else unknown.start
        found.setdefault(unknown.name, start)
    return found


def unknowns(part: Any) -> Iterator[Unknown]:
    """Every unknown in a study, as often as it stands there."""
    if isinstance(part, Unknown):
        yield part
    elif isinstance(part, tuple):
        for item in part:
            yield from unknowns(item)
    elif hasattr(part, "__dataclass_fields__"):
        for name in part.__dataclass_fields__:
            yield from unknowns(getattr(part, name))


def unknown_curves(part: Any) -> Iterator[tuple[str, Table | Network]]:
    """Every table or network all of whose figures are one unknown list, with its name."""
    figures = getattr(part, "values" if isinstance(part, Table) else "weights", None)
    if isinstance(part, Table | Network) and isinstance(figures, Unknown):
        yield figures.name, part
    elif isinstance(part, tuple):
        for item in part:
            yield from unknown_curves(item)
    elif hasattr(part, "__dataclass_fields__"):
        for name in part.__dataclass_fields__:
            yield from unknown_curves(getattr(part, name))


def flat(values: Values) -> Array:
    """The values one after the other (p,)."""
    return np.concatenate([np.zeros(0), *(np.atleast_1d(value) for value in values.values())])


def named(theta: Array, like: Values) -> dict[str, Any]:
    """The values of theta (p,), by name; their shapes are those of `like`."""
    found, first = {}, 0
    for name, value in like.items():
        count = np.size(value)
        part = theta[first : first + count]
        found[name] = part if np.ndim(value) else part[0]
        first += count
    return found


def dirk(
    K: Array,
    load: Callable[[int, int], Array],
    tableaux: Sequence[Array],
    dt: float,
    initial: Array,
    pinned: Callable[[int, int], dict[int, Any]] = lambda step, stage: {},
) -> Array:
    """March ``u' = K u + load``, a DIRK tableau for every step: u after each (steps + 1, N).

    load(k, i) is the load at stage i of step k, pinned(k, i) the nodes that are held there with
    their values. The last stage is the new state.
    """
    held = list(pinned(0, 0))
    solve = {a: _stage_solver(K, dt * a, held) for A in tableaux for a in set(np.diagonal(A))}
    u = initial.astype(np.result_type(K, initial, load(0, 0), np.float64))
    out = [u]
    for k, A in enumerate(tableaux):
        slopes: list[Array] = []
        for i in range(len(A)):
            rhs = u + dt * sum(A[i, j] * slopes[j] for j in range(i)) + dt * A[i, i] * load(k, i)
            for node, value in pinned(k, i).items():
                rhs[node] = value
            stage = solve[A[i, i]](rhs)
            slopes.append(K @ stage + load(k, i))
        u = stage
        out.append(u)
    return np.array(out)


def field(experiment: Experiment, values: Values) -> Array:
    """Temperatures at all nodes and steps (steps + 1, cells + 1)."""
    e, dt = scaled(experiment), experiment.time.end / experiment.time.steps
    tableaux = _tableaux(e)
    if changes(e):
        return dense_newton.field(e, values, tableaux)
    t = np.array([[(k + sum(row)) * dt for row in A] for k, A in enumerate(tableaux)])
    K, terms = rows(e, values)
    loads = np.zeros((*t.shape, len(K)))
    for amount, history in terms:
        loads = loads + np.multiply.outer(curve(history, values, t), amount)
    held = {node: end.value for node, end in ends(e) if is_kind(end, "temperature")}
    pinned = {node: curve(g, values, t) for node, g in held.items()}
    initial = curve(e.bar.initial, values, e.grid.x)
    initial = initial.astype(np.result_type(initial, loads, *pinned.values()))
    for node, g in held.items():
        initial[node] = curve(g, values, np.zeros(1))[0]
    return dirk(
        K,
        lambda k, i: loads[k, i],
        tableaux,
        dt,
        initial,
        lambda k, i: {node: g[k, i] for node, g in pinned.items()},
    )


def readings(study: Study, values: Values) -> Array:
    """What the sensors would have read at every reading there is, experiment after experiment."""
    found = []
    for e in study.experiments:
        u = field(e, values)
        found += [_bilinear(e, u, x, t) for x, t, _, _ in _samples(e)]
    return np.array(found)


def misfit(study: Study, values: Values, weights: Weights | None = None) -> Any:
    """J, without a conjugate: the loss of every reading, priors, and curves held smooth."""
    J = misfit_of(study, readings(study, values))
    for name, prior in study.fit.prior.items():
        for value in np.atleast_1d(values[name]):
            J = J + ((value - prior.mean) / prior.sd) ** 2
    for name, weight in (weights or {}).items():
        J = J + weight * _roughness(study, name, np.asarray(values[name]))
    return J


def misfit_of(study: Study, y: Array) -> Any:
    """What the loss makes of the readings y."""
    rho, c = RHO[study.fit.loss], study.fit.threshold or 1.345
    samples = [sample for e in study.experiments for sample in _samples(e)]
    return sum(rho((u - d) / sigma, c) for u, (_, _, d, sigma) in zip(y, samples, strict=True))


def misfit_gradient(study: Study, values: Values, weights: Weights | None = None) -> Array:
    """dJ/d value, in the order of `values`, by complex step."""
    return complex_step(lambda m: misfit(study, named(m, values), weights), flat(values))


def _huber(r: Any, c: float) -> Any:
    if r.real > c:
        return 2 * c * r - c**2
    return -2 * c * r - c**2 if r.real < -c else r**2


RHO: dict[str, Callable[[Any, float], Any]] = {"squared": lambda r, c: r**2, "huber": _huber}


def _roughness(study: Study, name: str, v: Array) -> Any:
    """``span / size^2`` times the integral of the slope squared, or of second order likewise.

    The values' own logarithms count where they are searched for by these. A network counts as a
    table of its values at 65 points, evenly over its range, and a quarter more of it at either end
    where it is of the temperature, which is not bounded as the bar is.
    """
    smoothing = study.fit.smoothing.get(name)
    if isinstance(found := _curve_named(study, name), Network):
        low, high = found.range
        beyond = 0.25 * (high - low) if of_temperature(found) else 0.0
        s, size = np.linspace(low - beyond, high + beyond, 65), found.level
        v = curve(found, {name: v}, s)
    else:
        s, size = found.points, np.max(np.abs(found.values.start))
        if found.values.scale == "log":
            v, size = np.log(v), 1.0
    span = s[-1] - s[0]
    slopes = [(v[k + 1] - v[k]) / (s[k + 1] - s[k]) for k in range(len(s) - 1)]
    if smoothing is None or smoothing.order == 1:
        return span / size**2 * sum(b**2 * (s[k + 1] - s[k]) for k, b in enumerate(slopes))
    widths = [(s[k + 2] - s[k]) / 2 for k in range(len(s) - 2)]
    bends = [(slopes[k + 1] - slopes[k]) / w for k, w in enumerate(widths)]
    return span**3 / size**2 * sum(b**2 * w for b, w in zip(bends, widths, strict=True))


def _curve_named(study: Study, name: str) -> Table | Network:
    experiments = tuple(scaled(e) for e in study.experiments)
    return next(curve for known, curve in unknown_curves(experiments) if known == name)


def _tableaux(e: Experiment) -> list[Array]:
    """The matrix of every step."""
    method = TABLEAUX[e.time.method or "backward-euler"]
    found = []
    for k in range(e.time.steps):
        given = method.start if k < method.start_steps else method.rows
        found.append(np.array([[*row, *[0.0] * (len(given) - len(row))] for row in given]))
    return found


def _samples(e: Experiment) -> Iterator[tuple[float, float, float, float]]:
    """Every reading that is there: place, time, temperature and standard deviation."""
    for sensor in e.sensors:
        for k, temperature in enumerate(sensor.temperatures):
            if not math.isnan(temperature):
                listed = np.ndim(sensor.sigma) > 0
                sigma = sensor.sigma[k] if listed else sensor.sigma or 1.0
                yield sensor.x, sensor.times[k], temperature, sigma


def _stage_solver(K: Array, step: float, held: list[int]) -> Callable[[Array], Array]:
    """The solver of ``u - step K u = rhs`` on free nodes and ``u = rhs`` on held ones."""
    M = np.eye(len(K)) - step * K
    for node in held:
        M[node] = np.eye(len(K))[node]
    factors = lu_factor(M)
    return lambda rhs: lu_solve(factors, rhs)


def _bilinear(e: Experiment, u: Array, x: float, t: float) -> Any:
    """The field between its two nodes and its two steps."""
    i, p = _cell(x, list(e.grid.x))
    dt = e.time.end / e.time.steps
    k, q = _cell(t, [step * dt for step in range(e.time.steps + 1)])
    before = (1 - p) * u[k, i] + p * u[k, i + 1]
    after = (1 - p) * u[k + 1, i] + p * u[k + 1, i + 1]
    return (1 - q) * before + q * after


def _cell(s: float, points: list[float]) -> tuple[int, float]:
    """The interval of `points` in which `s` lies, and how far into it."""
    below = 0
    while below < len(points) - 2 and points[below + 1] <= s:
        below += 1
    return below, (s - points[below]) / (points[below + 1] - points[below])
