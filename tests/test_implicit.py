"""An unknown defined by an equation: its root, and the derivative there against other estimates.

Each proof comes with its negative control: a derivative that is wrong by a thousandth fails it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from solver.errors import SolverError
from solver.implicit import Implicit, InvalidEquation, NoDerivative, NoRoot, Root
from tests.verification import COMPLEX_STEP, complex_step, dot_product_gap, relative_gap, taylor

approx, cases = pytest.approx, pytest.mark.parametrize
WRONG = 1.001
XS = (-2.0, -0.7, 0.1, 1.0, 1.5, 4.0)
systems = cases(("n", "p"), [(1, 1), (2, 5), (5, 2), (12, 12), (40, 7)])

CUBIC = Implicit(lambda x, y: x**3 - (y**3 + y))  # the lecture's
BY_HAND = Implicit(CUBIC.F, lambda x, y: 3 * x**2, lambda x, y: -(3 * y**2 + 1))
PARABOLA = Implicit(lambda x, y: y**2 - x)
ARCTAN = Implicit(lambda x, y: np.arctan(y) - x)
DOUBLE = Implicit(lambda x, y: y**2 - 2 * y + 1 - x)
TRIPLE = Implicit(lambda x, y: (y - 0.5) ** 3 - x)
FOLD = Implicit(lambda x, y: np.array([y[0] ** 2 + y[1] ** 2 - x, y[0] * y[1] - 1.0]))  # at x = 2


def through_the_iterations(equation: Implicit, x: float, start: float = 1.0) -> float:
    return equation.solve(x + 1j * COMPLEX_STEP, start).y.imag / COMPLEX_STEP


def system(n: int, p: int, by_hand: bool = True, factor: float = 1.0) -> tuple[Implicit, Any]:
    """``A y + y^3 = B x`` with A definite, so one y for every x; F_x `factor` times right; an x."""
    rng = np.random.default_rng([n, p])
    K, B = rng.standard_normal((n, n)), rng.standard_normal((n, p))
    A = K @ K.T / n + np.eye(n) + np.triu(K, 1) - np.triu(K, 1).T
    partials = (lambda x, y: -factor * B, lambda x, y: A + np.diag(3 * y**2)) if by_hand else ()
    return Implicit(lambda x, y: A @ y + y**3 - B @ x, *partials), rng.standard_normal(p)


def plane(angle: float) -> Implicit:
    """Two lines that cut each other at so small an angle."""
    return Implicit(lambda x, y: np.array([y[0] - y[1] - x, y[0] - (1.0 + angle) * y[1] - x]))


@cases("x", XS)
@cases("equation", [CUBIC, BY_HAND], ids=["complex-step", "by-hand"])
def test_theorem_iterations_and_differences_agree(equation: Implicit, x: float) -> None:
    root = equation.solve(x, 1.0)
    assert root.y**3 + root.y == approx(x**3, rel=1e-14)
    exact = 3 * x**2 / (3 * root.y**2 + 1)
    for found in (root.push(1.0), root.pull(1.0), root.jacobian()):
        assert found == approx(exact, rel=1e-14)
        assert WRONG * found != approx(exact, rel=1e-14)
    assert through_the_iterations(equation, x) == approx(root.pull(1.0), rel=1e-13)
    differences = (equation.solve(x + 1e-5, 1.0).y - equation.solve(x - 1e-5, 1.0).y) / 2e-5
    assert differences == approx(root.pull(1.0), rel=1e-8)
    assert differences != approx(WRONG * root.pull(1.0), rel=1e-8)


@cases("x", XS)
def test_imaginary_part_needs_one_step_more(x: float) -> None:
    start = 0.9 * CUBIC.solve(x, 1.0).y
    real, carried = CUBIC.solve(x, start), CUBIC.solve(x + 1j * COMPLEX_STEP, start)
    assert carried.iterations == real.iterations + 1
    y, slopes = complex(start), []
    for _ in range(carried.iterations):
        y += CUBIC.F(x + 1j * COMPLEX_STEP, y) / (3 * y**2 + 1)
        slopes.append(y.imag / COMPLEX_STEP)
    assert slopes[-1] == approx(real.pull(1.0), rel=1e-14)
    assert slopes[-3] != approx(real.pull(1.0), rel=1e-12)


@cases("start", [0.7, 1e6])
def test_derivative_costs_the_same_however_long_the_search_was(start: float) -> None:
    calls: list[float] = []
    root = Implicit(lambda x, y: calls.append(y) or CUBIC.F(x, y)).solve(1.0, start)
    assert (root.iterations > 30) == (start > 1.0)
    calls.clear()
    assert root.pull(1.0) == approx(root.push(1.0), rel=1e-14)
    assert len(calls) == 10  # factored once for both


@cases("x", XS)
def test_bracket_and_newton_agree(x: float) -> None:
    newton, bracketed = CUBIC.solve(x, 1.0), CUBIC.bracket(x, -5.0, 5.0)
    assert bracketed.y == approx(newton.y, rel=1e-14)
    assert bracketed.pull(1.0) == approx(newton.pull(1.0), rel=1e-13)
    assert bracketed.residuals.size >= bracketed.iterations > 0
    assert CUBIC.bracket(WRONG * x, -5.0, 5.0).y != approx(newton.y, rel=1e-14)
    assert CUBIC.bracket(0.0, 0.0, 1.0).y == 0.0  # at the end


def last_order(residuals: np.ndarray) -> float:
    """The order at which residuals fell last, those at round-off left out."""
    logs = np.log(residuals[residuals > 1e-13 * residuals[0]])[-3:]
    return float((logs[2] - logs[1]) / (logs[1] - logs[0]))


def test_newton_is_of_second_order() -> None:
    equation, x = system(12, 12)
    assert last_order(CUBIC.solve(4.0, 20.0).residuals) >= 1.9
    assert last_order(equation.solve(x, np.full(12, 3.0)).residuals) >= 1.9
    skewed = Implicit(CUBIC.F, None, lambda x, y: 1.01 * BY_HAND.F_y(x, y)).solve(4.0, 20.0)
    assert last_order(skewed.residuals) < 1.5


@cases("start", [-1e6, -3.0, 2.0, 50.0])
def test_hard_start_is_damped(start: float) -> None:
    root = ARCTAN.solve(0.3, start)
    assert root.y == approx(np.tan(0.3), rel=1e-12)
    assert root.pull(1.0) == approx(1.0 + np.tan(0.3) ** 2, rel=1e-12)
    assert through_the_iterations(ARCTAN, 0.3, start) == approx(root.pull(1.0), rel=1e-12)
    assert np.all(np.diff(root.residuals) < 0.0)
    y = start
    for _ in range(3):
        y -= (np.arctan(y) - 0.3) * (1.0 + y * y)
    assert abs(y) > abs(start)  # without damping
    rows = Implicit(lambda x, y: np.array([1e25, 1.0]) * (np.arctan(y) - x))
    assert rows.solve(0.3, [0.31, start]).y == approx(np.tan(0.3), rel=1e-12)
    logarithm = Implicit(lambda x, y: np.log(y) - x)  # the first step leads to where it is not
    assert logarithm.solve(0.5, 20.0).y == approx(np.exp(0.5), rel=1e-14)


def test_ladder_of_diodes_in_si_units() -> None:
    G = 1e-3 * (2 * np.eye(4) - np.eye(4, k=1) - np.eye(4, k=-1))
    diodes = Implicit(lambda i, v: G @ v + 1e-12 * (np.exp(v / 0.025) - 1) - i)
    i = 1e-2 * np.cos(np.arange(4))
    jacobian = diodes.solve(i, np.zeros(4)).jacobian()
    expected = complex_step(lambda m: diodes.solve(m, np.zeros(4)).y, i)
    assert relative_gap(jacobian, expected) <= 1e-10
    assert relative_gap(WRONG * jacobian, expected) > 1e-10


@cases("unit", [1e-12, 1e9])
@cases("row", [1e-15, 1e12])
def test_units_do_not_matter(row: float, unit: float) -> None:
    equation, x = system(5, 2, by_hand=False)
    rows, units = np.array([1.0, row, 1.0, 1.0, 1.0]), np.array([1.0, 1.0, 1.0, unit, 1.0])
    scaled = Implicit(lambda x, y: rows * equation.F(x, y / units))
    plain, found = equation.solve(x, np.ones(5)), scaled.solve(x, units)
    assert found.iterations == plain.iterations
    assert relative_gap(found.y / units, plain.y) <= 1e-14
    assert relative_gap(found.jacobian() / units[:, None], plain.jacobian()) <= 1e-13


@systems
@cases("by_hand", [True, False])
def test_jacobian_is_the_complex_step_through_the_iterations(n: int, p: int, by_hand: bool) -> None:
    equation, x = system(n, p, by_hand)
    jacobian = equation.solve(x, np.zeros(n)).jacobian()
    expected = complex_step(lambda m: equation.solve(m, np.zeros(n)).y, x)
    assert relative_gap(jacobian, expected) <= 1e-13
    assert relative_gap(WRONG * jacobian, expected) > 1e-10
    wrong = system(n, p, factor=WRONG)[0].solve(x, np.zeros(n)).jacobian()  # used as given
    assert relative_gap(wrong, expected) == approx(WRONG - 1.0, rel=1e-9)


@systems
def test_push_and_pull_are_each_others_transpose(n: int, p: int) -> None:
    equation, x = system(n, p)
    root, rng = equation.solve(x, np.zeros(n)), np.random.default_rng(2)
    x_dot, y_bar = rng.standard_normal(p), rng.standard_normal(n)
    y_dot, x_bar = root.push(x_dot), root.pull(y_bar)
    assert dot_product_gap(y_dot, y_bar, x_dot, x_bar) <= 1e-13
    assert relative_gap(y_dot, root.jacobian() @ x_dot) <= 1e-13
    assert relative_gap(x_bar, root.jacobian().T @ y_bar) <= 1e-13
    y_dot = root.push(x_bar)  # <x_bar, J^T y_bar> is not small by accident
    assert dot_product_gap(y_dot, y_bar, x_bar, WRONG * x_bar) > 1e-13


@systems
def test_taylor_remainder_is_of_second_order(n: int, p: int) -> None:
    equation, x = system(n, p)
    root = equation.solve(x, np.ones(n))
    x_bar = root.pull(2.0 * root.y)
    v = x_bar / np.linalg.norm(x_bar)

    def rates(x_bar: np.ndarray) -> Any:
        return taylor(lambda m: np.sum(equation.solve(m, np.ones(n)).y ** 2), x, v, x_bar @ v)

    assert 0.95 <= rates(x_bar).r0 <= 1.05
    assert 1.95 <= rates(x_bar).r1 <= 2.05
    assert not 1.95 <= rates(WRONG * x_bar).r1 <= 2.05
    skewed = replace(equation, F_y=lambda x, y: WRONG * equation.F_y(x, y))
    x_bar = replace(root, equation=skewed).pull(2.0 * root.y)
    assert not 1.95 <= rates(x_bar).r1 <= 2.05


@cases("x", [1.2, np.array([1.2, 0.4, 0.7])], ids=["number", "vector"])
@cases("start", [1.0, np.ones(1), np.ones(4)], ids=["number", "one", "vector"])
def test_numbers_and_vectors_mix(x: Any, start: Any) -> None:
    weights = 1.0 + np.arange(np.size(start)).reshape(np.shape(start))
    root = Implicit(lambda x, y: weights * y + y**3 - np.sum(np.sin(x))).solve(x, start)
    assert np.shape(root.y) == np.shape(root.push(x)) == np.shape(start)
    assert np.shape(root.x) == np.shape(root.pull(start)) == np.shape(x)
    expected = np.multiply.outer(1.0 / (weights + 3.0 * root.y**2), np.cos(x))
    assert np.shape(root.jacobian()) == np.shape(expected)
    assert relative_gap(root.jacobian(), expected) <= 1e-14
    assert relative_gap(WRONG * root.jacobian(), expected) > 1e-14


@cases(("factor", "right"), [(1.0, True), (WRONG, False)])
def test_gradient_is_as_good_as_the_root(factor: float, right: bool) -> None:
    exact = CUBIC.solve(1.5, 1.0).pull(1.0)
    tolerances = 10.0 ** -np.arange(1, 9)
    roots = [CUBIC.solve(1.5, 20.0, tolerance=tolerance) for tolerance in tolerances]
    errors = np.array([abs(factor * root.pull(1.0) - exact) for root in roots])
    left = np.array([root.residual for root in roots])
    rate = np.polyfit(*np.log([left, errors]), 1)[0]
    assert errors[0] > 1e-4  # it did stop early
    assert bool(np.all(errors <= 10.0 * tolerances)) == right
    assert (0.95 <= rate <= 1.05) == right


def test_too_few_steps_are_said() -> None:
    whole = CUBIC.solve(4.0, 20.0)
    assert CUBIC.solve(4.0, 20.0, most=whole.iterations).y == whole.y
    with pytest.raises(NoRoot, match=r"steps \(iteration 3") as raised:
        CUBIC.solve(4.0, 20.0, most=3)
    assert (raised.value.iteration, raised.value.residual) == (3, whole.residuals[3])


NEARLY_SINGULAR: list[tuple[Callable[[], Root], Any]] = [
    (lambda: PARABOLA.solve(1e-20, 1.0), 0.5e10),
    (lambda: DOUBLE.solve(1e-8, 2.0), 0.5e4),  # F at round-off
    (lambda: TRIPLE.bracket(1e-9, -1.0, 2.0), 1e6 / 3.0),
    (lambda: plane(1e-6).solve(1.0, [1.0, 1.0]), [1.0, 0.0]),
]


@cases(("root", "expected"), NEARLY_SINGULAR)
def test_a_derivative_near_singular_points_is_had(root: Callable[[], Root], expected: Any) -> None:
    np.testing.assert_allclose(root().jacobian(), expected, rtol=1e-7, atol=1e-7)


ANALYTIC: list[tuple[Callable[[Any, Any], Any], float, float]] = [
    (lambda x, y: np.exp(300.0 * y) - x, np.exp(300.0), 1.0),  # steep
    (lambda x, y: np.sqrt(y - 1.0) - x, 1e-3, 1.0 + 1e-6),  # at the end of where F is
    (lambda x, y: 1e12 + y - x - 1e12, 3.0, 3.0),  # of large terms
    (lambda x, y: np.tanh(y) - x, np.tanh(9.0), 9.0),  # saturated
    (lambda x, y: np.sin(1e4 * y) - x, 0.5, (np.arcsin(0.5) + 2e3 * np.pi) / 1e4),
    (lambda x, y: np.exp(y / 1e-9) - 1.0 - x, 0.0, 0.0),  # no size known at zero
    (lambda x, y: y - 2.0, 1.0, 2.0),  # without x
]


@cases(("F", "x", "y"), ANALYTIC)
def test_what_is_analytic_is_not_accused(F: Callable, x: float, y: float) -> None:
    Implicit(F).solve(x, y, tolerance=1e-3).pull(1.0)


NOT_ANALYTIC: list[Callable[[Any, Any], Any]] = [
    lambda x, y: y.real**2 + np.real(x) - 2,
    lambda x, y: abs(y) * y - x,
    lambda x, y: y - abs(x),
    lambda x, y: y**3 + 1e-4 * y.real - x,
    lambda x, y: y**2 + np.conj(y) - x,
    lambda x, y: abs(y) - abs(0.8 * x) + y - 0.8 * x,  # along a ray nothing is dropped
]


@cases("F", NOT_ANALYTIC)
def test_what_is_not_analytic_is_refused(F: Callable) -> None:
    late = Root(Implicit(F), np.float64(1.5), np.float64(1.2), 0, np.zeros(1))
    for call in (lambda: Implicit(F).solve(1.5, 1.0), late.jacobian):
        with pytest.raises(InvalidEquation, match=r"imaginary|not analytic"):
            call()
    with_partials = Implicit(NOT_ANALYTIC[1], lambda x, y: -1.0, lambda x, y: 2.0 * abs(y))
    assert with_partials.solve(1.44, 1.0).pull(1.0) == approx(1.0 / 2.4, rel=1e-14)


def bracket(F: Callable, *partials: Callable) -> Root:
    return Implicit(F, *partials).bracket(0.0, -1.0, 1.5)


FAILURES: list[tuple[type[SolverError], str, Callable[[], Any]]] = [
    (NoRoot, "no step", lambda: Implicit(lambda x, y: y**2 + 1e-9 + (x - 1)).solve(1.0, 1.0)),
    (NoRoot, "no step", lambda: Implicit(lambda x, y: np.exp(y) + x).solve(1.0, 1.0)),
    (NoRoot, "F_y is", lambda: Implicit(lambda x, y: np.asarray_chkfinite(y) ** 2 - x).solve(1, 0)),
    (NoRoot, "= nan", lambda: Implicit(lambda x, y: np.log(y) - x).solve(1.0, -1.0)),
    (NoRoot, "steps", lambda: PARABOLA.solve(0.0, 1.0)),  # towards a double root by halves
    (NoRoot, r"F\(-1\) = 2 and F\(1.5\) = 3.25", lambda: bracket(lambda x, y: y**2 + 1 - x)),
    (NoRoot, "jumps over zero at y =", lambda: bracket(lambda x, y: 1 / y - x)),
    (NoRoot, "jumps", lambda: bracket(lambda x, y: np.sign(y), lambda x, y: 0, lambda x, y: 0)),
    (NoRoot, "no change of sign", lambda: bracket(lambda x, y: np.log(y))),
    (NoDerivative, "number inf", lambda: PARABOLA.solve(0.0, 0.0).push(1.0)),
    (NoDerivative, "singular next to", lambda: DOUBLE.solve(0.0, 2.0).pull(1.0)),
    (NoDerivative, "singular next to", lambda: DOUBLE.solve(0.0, 1.0 + 1e-9).jacobian()),
    (NoDerivative, "not solved for", lambda: DOUBLE.solve(0.0, 2.0, tolerance=1.0).jacobian()),
    (NoDerivative, "singular", lambda: TRIPLE.bracket(0.0, -1.0, 2.0).jacobian()),
    (NoDerivative, "singular at", lambda: FOLD.solve(2.0, [1.0, 1.0]).jacobian()),
    (NoDerivative, "singular next to", lambda: FOLD.solve(2.0, [1.5, 0.5]).jacobian()),
    (NoDerivative, "singular at", lambda: plane(0.0).solve(1.0, [1.0, 0.0]).jacobian()),
    (NoDerivative, r"number \d.\de\+1", lambda: plane(1e-14).solve(1.0, [1.0, 0.0]).jacobian()),
    (InvalidEquation, "F must", lambda: Implicit(lambda x, y: np.ones(2) * y).solve(1.0, 1.0)),
    (InvalidEquation, "F must", lambda: Implicit(lambda x, y: y[0]).solve(1.0, np.ones(1))),
    (InvalidEquation, "F_x must", lambda: Implicit(CUBIC.F, lambda x, y: [1]).solve(1, 1).pull(1)),
    (InvalidEquation, "F_y must", lambda: Implicit(CUBIC.F, None, lambda x, y: [1]).solve(1, 1)),
    (InvalidEquation, "x must", lambda: CUBIC.solve(np.ones((2, 2)), 1.0)),
    (InvalidEquation, "start must", lambda: CUBIC.solve(1.0, np.ones(0))),
    (InvalidEquation, "start must be a real", lambda: CUBIC.solve(1.0, 1.0 + 0j)),
    (InvalidEquation, "real x", lambda: Implicit(lambda x, y: y - x + 0j).solve(1.0, 1.0)),
    (InvalidEquation, "x_dot must", lambda: CUBIC.solve(1.0, 1.0).push(np.ones(1))),
    (InvalidEquation, "y_bar must", lambda: CUBIC.solve(1.0, 1.0).pull(np.ones(1))),
    (InvalidEquation, "x must be a real", lambda: CUBIC.bracket(1.0 + 1e-40j, 0.0, 2.0)),
    (InvalidEquation, "in order", lambda: CUBIC.bracket(1.0, 2.0, 0.0)),
    (InvalidEquation, "in order", lambda: CUBIC.bracket(1.0, 0.0, np.inf)),
]


@cases(("error", "says", "call"), FAILURES)
def test_failures_say_why(error: type[SolverError], says: str, call: Callable) -> None:
    with pytest.raises(error, match=says):
        call()
