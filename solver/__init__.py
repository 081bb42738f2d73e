"""Heat conduction in a bar: simulate it, differentiate it, and find what you do not know of it.

Needs NumPy, SciPy, Numba and checkpoint_schedules alone. Describe an `Experiment`, put an `Unknown`
wherever a number is to be found, and call `calibrate`, `simulate`, `value_and_gradient` or `check`.
"""

from solver.bootstrap import Refits, bootstrap, refit
from solver.boundary import BOUNDARIES, Convection, Flux, Temperature
from solver.calibrate import Calibration, calibrate
from solver.check import Certificate, certify
from solver.checkpoints import MEMORY
from solver.curves import Constant, Expression, Table, Unknown
from solver.ensemble import Ensemble
from solver.errors import Cancelled, InvalidExperiment, Problem, SolverError, TrialError
from solver.experiment import (
    Bar,
    Experiment,
    Fit,
    Joint,
    Material,
    Prior,
    Sensor,
    Smoothing,
    Study,
    Time,
)
from solver.footprint import Footprint, footprint
from solver.grid import Grading
from solver.integrators import TABLEAUX
from solver.kernels import cache_folder
from solver.laws import LAWS, Exponential, Layers, Linear, Polynomial
from solver.losses import LOSSES
from solver.objective import Objective
from solver.parameters import Parameters
from solver.scaling import Iteration
from solver.simulate import (
    Check,
    Field,
    check,
    hessian,
    jacobian,
    jvp,
    simulate,
    simulate_field,
    starts,
    value_and_gradient,
    vjp,
)
from solver.source import Exchange, Source
from solver.warm import is_warm, warm_up

__all__ = [
    "BOUNDARIES",
    "LAWS",
    "LOSSES",
    "MEMORY",
    "TABLEAUX",
    "Bar",
    "Calibration",
    "Cancelled",
    "Certificate",
    "Check",
    "Constant",
    "Convection",
    "Ensemble",
    "Exchange",
    "Experiment",
    "Exponential",
    "Expression",
    "Field",
    "Fit",
    "Flux",
    "Footprint",
    "Grading",
    "InvalidExperiment",
    "Iteration",
    "Joint",
    "Layers",
    "Linear",
    "Material",
    "Objective",
    "Parameters",
    "Polynomial",
    "Prior",
    "Problem",
    "Refits",
    "Sensor",
    "Smoothing",
    "SolverError",
    "Source",
    "Study",
    "Table",
    "Temperature",
    "Time",
    "TrialError",
    "Unknown",
    "bootstrap",
    "cache_folder",
    "calibrate",
    "certify",
    "check",
    "footprint",
    "hessian",
    "is_warm",
    "jacobian",
    "jvp",
    "refit",
    "simulate",
    "simulate_field",
    "starts",
    "value_and_gradient",
    "vjp",
    "warm_up",
]
