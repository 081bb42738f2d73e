"""The compiled floor: tridiagonal algebra and the march, numbers only.

The only package that imports Numba. What stands above it describes a bar; what stands here
advances arrays.
"""

from solver.kernels import newton, newton_slopes
from solver.kernels.balance import Books
from solver.kernels.compiled import cache_folder, clear_cache, kernel
from solver.kernels.march import adjoint, forward, tangent
from solver.kernels.pieces import Pieces
from solver.kernels.tridiagonal import Array, factor, factor_transposed, solve, transpose

__all__ = [
    "Array",
    "Books",
    "Pieces",
    "adjoint",
    "cache_folder",
    "clear_cache",
    "factor",
    "factor_transposed",
    "forward",
    "kernel",
    "newton",
    "newton_slopes",
    "solve",
    "tangent",
    "transpose",
]
