"""The lecture's y(x), defined by x^3 - (y^3 + y) = 0, and its derivative in three ways.

By the implicit function theorem at the root, through Newton's iterations, and by differences that
solve the equation anew. Run it with ``python examples/implicit.py``.
"""

from solver.implicit import Implicit

cubic = Implicit(lambda x, y: x**3 - (y**3 + y))
x = 1.5

root = cubic.solve(x, start=1.0)
print(f"y({x}) = {root.y:.15f} after {root.iterations} steps of Newton's method")
print("max |F| on the way:", " ".join(f"{residual:.0e}" for residual in root.residuals))
print(f"y({x}) = {cubic.bracket(x, low=0.0, high=2.0).y:.15f} from a bracket\n")


def moved(h):
    """The root at x + h, solved for anew."""
    return cubic.solve(x + h, start=1.0).y


def central(h):
    """Their central difference."""
    return (moved(h) - moved(-h)) / (2 * h)


# The imaginary part of a tiny complex step is the derivative of all that Newton's method did.
tiny, h = 1e-40, 1e-4
spread = abs(central(2 * h) - central(h))
print(f"by hand, 3 x^2 / (3 y^2 + 1)       {3 * x**2 / (3 * root.y**2 + 1):.15f}")
print(f"implicit function theorem, adjoint {root.pull(1.0):.15f}")
print(f"implicit function theorem, tangent {root.push(1.0):.15f}")
print(f"through the iterations             {moved(1j * tiny).imag / tiny:.15f}")
print(f"central differences                {central(h):.15f} +- {spread:.0e}")
