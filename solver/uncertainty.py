r"""How well the data determine what was found.

Near the estimate the readings are linear in theta, so with R = diag(1/sigma) dy/dtheta the
covariance is ``s^2 (R^T R)^-1``; s^2 is 1 where sigma is given, else ``J / (M - p)``, and the
interval takes Student's t with M - p degrees of freedom. All of it comes from one singular value
decomposition of R with its columns scaled by max(|theta|, |start|): singular value i is then the
inverse of the relative standard error along right vector i, which gives the verdict.

Reference: Seber & Wild, Nonlinear Regression (1989), sections 2.1 and 3.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from solver.errors import TrialError
from solver.experiment import Experiment, Sensor
from solver.kernels import Array
from solver.objective import Objective
from solver.observe import interpolation, reading_times

CONFIDENCE = 0.95
RANK_TOLERANCE = 1e-11  # relative singular value below which a direction moves no reading at all
WEAK, NOT_IDENTIFIABLE = 0.3, 1.0  # relative standard error of the worst direction
CANDIDATES = 24  # places along the bar at which a further sensor is considered
APART = 0.1  # of the bar's length between it and every present sensor
WORTH_SAYING = 0.9  # of the present relative standard error
NO_PLACE = "No further sensor would change that much: heat the bar differently, or fix one of them."


@dataclass(frozen=True)
class Identifiability:
    """Which parameters the data determine.

    weakest_direction: unit vector in relative changes of the parameters, by name.
    relative_standard_error: along it; infinite where no reading moves.
    """

    verdict: str
    condition_number: float
    weakest_direction: dict[str, float]
    relative_standard_error: float
    advice: str


@dataclass(frozen=True)
class Uncertainty:
    """Standard errors (p,), intervals (p, 2) and covariance (p, p); NaN where there is none.

    reasons: for each parameter why it has no interval, or None. sigma: the standard deviation of a
    reading estimated from the residuals, or None where it was given.
    """

    standard_errors: Array
    intervals: Array
    covariance: Array
    correlation: Array
    reasons: tuple[str | None, ...]
    sigma: float | None
    degrees_of_freedom: int
    identifiability: Identifiability


def quantify(objective: Objective, theta: Array) -> Uncertainty:
    """Uncertainties and verdict at an estimate."""
    p = objective.parameters
    names = p.names
    r, R = objective.residuals_and_jacobian(theta)
    sizes = p.sizes(theta)
    freedom = r.size - theta.size
    estimated = not _sigma_given(objective.experiment)
    s = float(np.sqrt(r @ r / freedom)) if estimated and freedom > 0 else 1.0
    held = (theta <= p.lower) | (theta >= p.upper)
    covariance, null = _covariance(R[:, ~held] * sizes[~held])
    full = np.full((theta.size, theta.size), np.nan)
    full[np.ix_(~held, ~held)] = covariance * s**2 * np.outer(sizes[~held], sizes[~held])
    lost = np.zeros(theta.size, bool)
    lost[~held] = null
    reasons = _reasons(theta, objective, lost, known_noise=freedom > 0 or not estimated)
    missing = np.array([reason is not None for reason in reasons])
    full[missing, :] = full[:, missing] = np.nan
    errors = np.sqrt(np.diagonal(full))
    tail = 0.5 + CONFIDENCE / 2
    quantile = float(stdtrit(freedom, tail)) if estimated and freedom > 0 else float(ndtri(tail))
    return Uncertainty(
        standard_errors=errors,
        intervals=_intervals(theta, errors, quantile, p.logarithmic),
        covariance=full,
        correlation=full / np.outer(errors, errors),
        reasons=reasons,
        sigma=s if estimated and freedom > 0 else None,
        degrees_of_freedom=freedom,
        identifiability=_identifiability(objective, theta, names, R * sizes, s),
    )


def _sigma_given(experiment: Experiment) -> bool:
    return any(sensor.sigma is not None for sensor in experiment.sensors if sensor.present.any())


def _covariance(S: Array) -> tuple[Array, Array]:
    """(S^T S)^-1 on the directions that the data see, and which columns lie in the others."""
    _, values, vectors = np.linalg.svd(S, full_matrices=False)
    seen = values > RANK_TOLERANCE * values.max(initial=0.0)
    inverse = vectors[seen].T / values[seen]
    blind = np.linalg.norm(vectors[~seen], axis=0) > 1e-6
    return inverse @ inverse.T, blind


def _reasons(
    theta: Array, objective: Objective, lost: Array, known_noise: bool
) -> tuple[str | None, ...]:
    p = objective.parameters
    out: list[str | None] = []
    for j in range(theta.size):
        if theta[j] <= p.lower[j]:
            out.append("the estimate lies on its lower bound")
        elif theta[j] >= p.upper[j]:
            out.append("the estimate lies on its upper bound")
        elif lost[j]:
            out.append("the data do not determine it: a change of it moves no reading")
        elif not known_noise:
            out.append("as many unknowns as readings: sigma cannot be estimated, so give it")
        else:
            out.append(None)
    return tuple(out)


def _intervals(theta: Array, errors: Array, quantile: float, logarithmic: Array) -> Array:
    """Symmetric about the estimate, in the logarithm where the search was."""
    half = quantile * errors
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        factor = np.exp(half / np.where(logarithmic, theta, 1.0))
    lower = np.where(logarithmic, theta / factor, theta - half)
    upper = np.where(logarithmic, theta * factor, theta + half)
    return np.stack([lower, upper], axis=1)


def _identifiability(
    objective: Objective, theta: Array, names: tuple[str, ...], S: Array, s: float
) -> Identifiability:
    _, values, vectors = np.linalg.svd(S, full_matrices=False)
    seen = values[-1] > RANK_TOLERANCE * values[0]
    worst = s / values[-1] if seen else np.inf
    verdict = "determined"
    if worst > WEAK:
        verdict = "weak" if worst <= NOT_IDENTIFIABLE else "not-identifiable"
    direction = vectors[-1] * np.sign(vectors[-1][np.argmax(np.abs(vectors[-1]))])
    advice = "The data determine every unknown."
    if verdict != "determined":
        advice = " ".join(_advice(objective, theta, names, S, s, direction, worst))
    return Identifiability(
        verdict=verdict,
        condition_number=float(values[0] / values[-1]) if seen else float("inf"),
        weakest_direction={n: float(v) for n, v in zip(names, direction, strict=True)},
        relative_standard_error=float(worst),
        advice=advice,
    )


def _advice(
    objective: Objective,
    theta: Array,
    names: tuple[str, ...],
    S: Array,
    s: float,
    direction: Array,
    worst: float,
) -> list[str]:
    """What is not determined, in words, and what would help."""
    leader = int(np.argmax(np.abs(direction)))
    cosines = S.T @ S[:, leader]
    norms = np.linalg.norm(S, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        alike = np.abs(cosines / (norms * norms[leader])) > 0.8
    partners = [
        j
        for j in np.argsort(-np.abs(direction))
        if j != leader and abs(direction[j]) > 0.02 and (alike[j] or abs(direction[j]) > 0.3)
    ]
    if partners:
        together = (
            "trade off against each other" if len(partners) == 1 else "make up for each other"
        )
        named = [names[j] for j in sorted((leader, *partners))]
        words = [f"{', '.join(named[:-1])} and {named[-1]} {together}:"]
        changes = [_change(names[j], min(worst, 1e3) * direction[j]) for j in (leader, *partners)]
        words.append(f"{' while '.join(changes)} moves the readings by no more than their noise.")
    else:
        words = [f"The readings hardly depend on {names[leader]}:"]
        if np.isfinite(worst):
            words.append(f"its relative standard error is {100 * worst:.2g} %.")
        else:
            words.append("no change of it moves any of them.")
    return [*words, _further_sensor(objective, theta, S, s, worst)]


def _change(name: str, relative: float) -> str:
    return f"{'raising' if relative > 0 else 'lowering'} {name} by {100 * abs(relative):.2g} %"


def _further_sensor(objective: Objective, theta: Array, S: Array, s: float, worst: float) -> str:
    """Where one more sensor, read and as noisy as the best read one, would help most."""
    experiment, grid = objective.experiment, objective.experiment.grid
    model = max(experiment.sensors, key=lambda sensor: int(sensor.present.sum()))
    times = reading_times(model, grid)[model.present]
    nodes = np.unique(np.linspace(0, grid.cells, CANDIDATES + 1).round().astype(int))
    read = np.array([sensor.x for sensor in experiment.sensors if sensor.present.any()])
    apart = np.abs(nodes[:, None] * grid.dx - read).min(axis=1) >= APART * grid.length
    places = nodes[apart] * grid.dx
    if places.size == 0:
        return NO_PLACE
    x, t = np.repeat(places, times.size), np.tile(times, places.size)
    further = Objective(experiment, observation=interpolation(grid, x, t, ()))
    sizes = objective.parameters.sizes(theta)
    try:
        weights = _weights_like(model, further.predict(theta))
        gained = further.jacobian(theta) * weights[:, None] * sizes
    except TrialError:
        return NO_PLACE
    now = S.T @ S
    blocks = gained.reshape(places.size, times.size, theta.size)
    weakest = np.array([np.linalg.eigvalsh(now + block.T @ block)[0] for block in blocks])
    best = int(np.argmax(weakest))
    after = s / np.sqrt(weakest[best]) if weakest[best] > 0.0 else np.inf
    if not after < WORTH_SAYING * worst:
        return NO_PLACE
    where = "further along the bar " if places[best] > read.max() else ""
    before = f"from {100 * worst:.2g} %" if np.isfinite(worst) else "from infinity"
    return (
        f"A sensor {where}would help: one at x = {places[best]:.3g} m, read at the same times and "
        f"as noisy, would bring the relative standard error {before} to {100 * after:.2g} %; "
        f"repeating every reading would bring it to {100 * worst / np.sqrt(2.0):.2g} %."
    )


def _weights_like(model: Sensor, y: Array) -> Array:
    """1 / sigma of readings `y` as noisy as the model sensor's: by a fraction, or by a level.

    It is a fraction when the given sigmas follow the readings more closely than they keep to one
    value.
    """
    if model.sigma is None or model.temperatures is None:
        return np.ones(y.shape)
    d = np.abs(model.temperatures[model.present])
    sigma = np.broadcast_to(model.sigma, model.present.shape)[model.present]
    if np.all(d > 0.0) and np.std(np.log(sigma / d)) < 0.5 * np.std(np.log(sigma)):
        fraction = float(np.median(sigma / d))
        floor = 1e-3 * float(np.max(np.abs(y), initial=0.0))
        return 1.0 / (fraction * np.maximum(np.abs(y), max(floor, 1e-300)))
    return np.full(y.shape, 1.0 / float(np.median(sigma)))
