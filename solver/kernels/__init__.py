"""The compiled floor: tridiagonal algebra and the march, numbers only.

The only package that imports Numba. What stands above it describes a bar; what stands here
advances arrays.
"""

from solver.kernels import newton, newton_adjoint, newton_tangent
from solver.kernels.balance import Books, Way
from solver.kernels.balance_adjoint import Cotangents
from solver.kernels.compiled import cache_folder, clear_cache, kernel, shed
from solver.kernels.lanes import LANES
from solver.kernels.march import adjoint, forward
from solver.kernels.march_tangent import tangent
from solver.kernels.newton_settle import Criteria
from solver.kernels.packing import pack, prepare, unpack
from solver.kernels.pieces import Pieces
from solver.kernels.sparse import (
    add_affine,
    add_affine_bar,
    add_transposed,
    affine,
    is_finite,
    is_positive,
    multiply,
    sum_of_squares,
)
from solver.kernels.symmetric import PARTS
from solver.kernels.tridiagonal import Array, transpose

__all__ = [
    "LANES",
    "PARTS",
    "Array",
    "Books",
    "Cotangents",
    "Criteria",
    "Pieces",
    "Way",
    "add_affine",
    "add_affine_bar",
    "add_transposed",
    "adjoint",
    "affine",
    "cache_folder",
    "clear_cache",
    "forward",
    "is_finite",
    "is_positive",
    "kernel",
    "multiply",
    "newton",
    "newton_adjoint",
    "newton_tangent",
    "pack",
    "prepare",
    "shed",
    "sum_of_squares",
    "tangent",
    "transpose",
    "unpack",
]
