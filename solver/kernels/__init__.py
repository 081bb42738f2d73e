"""The compiled floor: tridiagonal algebra and the march, numbers only.

The only package that imports Numba. What stands above it describes a bar; what stands here
advances arrays.
"""

from solver.kernels import newton, newton_adjoint, newton_tangent
from solver.kernels.balance import Books
from solver.kernels.compiled import cache_folder, clear_cache, kernel
from solver.kernels.lanes import LANES
from solver.kernels.march import add_readings, adjoint, forward, tangent
from solver.kernels.packing import pack, unpack
from solver.kernels.pieces import Pieces
from solver.kernels.tridiagonal import PARTS, Array, factor, factor_transposed, transpose

__all__ = [
    "LANES",
    "PARTS",
    "Array",
    "Books",
    "Pieces",
    "add_readings",
    "adjoint",
    "cache_folder",
    "clear_cache",
    "factor",
    "factor_transposed",
    "forward",
    "kernel",
    "newton",
    "newton_adjoint",
    "newton_tangent",
    "pack",
    "tangent",
    "transpose",
    "unpack",
]
