"""L-BFGS-B with the adjoint gradient, for many unknowns (SciPy's).

Reference: Byrd, Lu, Nocedal & Zhu, SIAM J. Sci. Comput. 16 (1995) 1190-1208.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from solver.errors import TrialError
from solver.kernels import Array
from solver.objective import Objective
from solver.scaling import Iteration, Report, Scaling, Search


def lbfgsb(objective: Objective, start: Array, max_iterations: int, report: Report) -> Search:
    """Quasi-Newton.

    Where the model has no answer the line search is given a parabola that rises from the best point
    so far, so that it interpolates back towards it.
    """
    scaling = Scaling(objective)
    z = scaling.to_z(start)
    unit = objective.value(scaling.to_theta(z)) or 1.0
    best = _Best(np.inf, z, np.zeros_like(z))
    history: list[Iteration] = []

    def value_and_gradient(z: Array) -> tuple[float, Array]:
        theta = scaling.to_theta(z)
        try:
            J, gradient = objective.value_and_gradient(theta)
        except TrialError:
            away = z - best.z
            steepness = (1.0 + abs(best.value)) / max(float(away @ away), 1e-300)
            return best.value + steepness * float(away @ away), 2.0 * steepness * away
        J, gradient = J / unit, gradient * scaling.slope(theta) / unit
        if J < best.value:
            best.value, best.z, best.gradient = J, z.copy(), gradient
        return J, gradient

    def accepted(_: Array) -> None:
        norm = float(np.linalg.norm(best.gradient)) * unit
        theta = scaling.to_theta(best.z)
        history.append(Iteration(len(history), best.value * unit, norm, theta))
        report(history[-1])

    value_and_gradient(z)
    accepted(z)
    result = minimize(  # type: ignore[call-overload]  # the stubs do not take jac=True in 1.17
        value_and_gradient,
        z,
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(scaling.lower, scaling.upper, strict=True)),
        callback=accepted,
        options={"maxiter": max_iterations, "maxfun": 20 * max_iterations, "maxcor": 30}
        | {"ftol": 1e-16, "gtol": 1e-13, "maxls": 40},
    )
    status = "max_iterations" if result.status == 1 else "converged"
    projected = best.z - np.clip(best.z - best.gradient, scaling.lower, scaling.upper)
    if result.status == 2 and np.abs(projected).max() > 1e-6 * max(best.value, 1e-12):
        status = (
            "stalled"  # an abnormal end of the line search is convergence only where it is flat
        )
    return Search(scaling.to_theta(best.z), status, "l-bfgs-b", tuple(history))


@dataclass
class _Best:
    value: float
    z: Array
    gradient: Array
