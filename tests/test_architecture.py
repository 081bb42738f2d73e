"""The rules of the house, executable: what may import what, how long a file is, what is public."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from inspect import ismodule
from pathlib import Path

import pytest

import solver

ROOT = Path(__file__).parents[1]
SOLVER = ROOT / "solver"
KERNELS = SOLVER / "kernels"

# Lowest first. A module imports from floors below its own, never from its own or above. It stands
# right above something that it imports, or right below something that imports it.
FLOORS = (
    ("kernels", "errors"),
    (
        "checkpoints",
        "expression",
        "implicit",
        "integrators",
        "interpolation",
        "kept",
        "layout",
        "pieces",
    ),
    ("curves", "grid", "states", "steps"),
    ("boundary", "network", "newton_workspace", "source", "workspace"),
    ("laws", "march", "scales"),
    ("experiment", "newton_march"),
    ("parameters", "sampling"),
    ("values", "loads"),
    ("footprint", "heat"),
    ("assemble", "assemble_newton"),
    ("affine",),
    ("curve_checks", "linear_bar", "losses", "newton_bar", "observe", "smoothing"),
    ("model", "validation", "penalties"),
    ("crew", "lanes", "objective", "resolution"),
    ("ensemble", "scaling", "check", "advice", "correlation", "curvature", "tabulate"),
    ("least_squares", "quasi_newton", "trust_region", "uncertainty"),
    ("search", "bands", "remarks"),
    ("fitting", "residuals", "spread"),
    ("calibrate", "simulate"),
    ("bootstrap", "warm"),
)
KERNEL_FLOORS = (
    ("compiled", "lanes"),
    ("magnitudes", "nodes", "tridiagonal"),
    ("elimination", "pieces", "products", "sparse", "sweeps", "symmetric", "vectors"),
    ("balance", "one_stage", "packing"),
    ("balance_adjoint", "newton_step", "newton_transposed"),
    ("march", "march_tangent", "newton_adjoint", "newton_tangent", "prediction"),
    ("newton_settle",),
    ("newton",),
)
NEEDS = {"numpy", "scipy", "checkpoint_schedules"}  # and numba with its llvmlite, in the kernels
SERVICE = {"app", "fastapi", "starlette", "uvicorn", "pydantic", "typer", "rich", "matplotlib"}
VAGUE = {"utils", "util", "base", "common", "helpers", "helper", "misc", "core"}
LONGEST_FILE, LONGEST_FUNCTION = 320, 80


def imports(source: str) -> Iterator[str]:
    """The dotted name of everything that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            yield from (f"{name}.{alias.name}" for alias in node.names)


def foreign(source: str, allowed: set[str]) -> set[str]:
    """The packages that a module imports beyond the standard library and `allowed`."""
    packages = {name.split(".")[0] for name in imports(source)}
    return packages - allowed - sys.stdlib_module_names - {"__future__"}


def upward(
    name: str, source: str, package: str = "solver", floors: tuple[tuple[str, ...], ...] = FLOORS
) -> list[str]:
    """The modules of `package` that module `name` imports though they are not below it."""
    height = {module: floor for floor, modules in enumerate(floors) for module in modules}
    inside = within(source, package)
    return [module for module in inside if height.get(module, len(floors)) >= height[name]]


def within(source: str, package: str = "solver") -> list[str]:
    """The modules of `package` that a module imports."""
    return [i.removeprefix(f"{package}.").split(".")[0] for i in imports(source) if package in i]


def modules(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("path", modules(SOLVER), ids=lambda path: path.stem)
def test_imports_point_downwards(path: Path) -> None:
    assert upward(path.stem, path.read_text()) == []


@pytest.mark.parametrize("path", modules(KERNELS), ids=lambda path: path.stem)
def test_kernels_import_nothing_from_above(path: Path) -> None:
    source = path.read_text()
    assert upward(path.stem, source, "solver.kernels", KERNEL_FLOORS) == []
    assert all(i.startswith("solver.kernels") for i in imports(source) if i.startswith("solver"))


def test_every_module_has_its_floor() -> None:
    assert sorted(m for floor in FLOORS for m in floor) == sorted(
        ["kernels", *(path.stem for path in modules(SOLVER))]
    )
    assert sorted(m for floor in KERNEL_FLOORS for m in floor) == sorted(
        path.stem for path in modules(KERNELS)
    )


@pytest.mark.parametrize("path", sorted(SOLVER.rglob("*.py")), ids=lambda path: path.stem)
def test_the_solver_needs_numpy_scipy_and_numba_alone(path: Path) -> None:
    allowed = NEEDS | {"solver"} | ({"numba", "llvmlite"} if path.parent == KERNELS else set())
    source = path.read_text()
    assert foreign(source, allowed) == set()
    assert not {"importlib", "__import__"} & {i.split(".")[0] for i in imports(source)}
    assert "__import__" not in source


def loose(floors: tuple[tuple[str, ...], ...], needs: dict[str, set[str]]) -> list[str]:
    """The modules that could as well stand a floor lower, and a floor higher."""
    around = zip(floors[:-1], floors[1:], [*floors[2:], ()], strict=True)
    return [
        module
        for below, here, above in around
        for module in here
        if not needs[module] & set(below) and not any(module in needs[user] for user in above)
    ]


def test_every_module_is_held_to_its_floor() -> None:
    needs = {path.stem: set(within(path.read_text())) for path in modules(SOLVER)}
    needs["kernels"] = set()
    assert loose(FLOORS, needs) == []
    assert loose(
        (("a",), ("b", "c"), ("d",)), {"a": set(), "b": {"a"}, "c": set(), "d": {"b"}}
    ) == ["c"]


@pytest.mark.parametrize(
    ("name", "source", "found"),
    [
        ("laws", "from solver.objective import Objective", ["objective"]),
        ("source", "from solver import boundary", ["boundary"]),
        ("laws", "import solver.warm", ["warm"]),
        ("curves", "def f():\n    from solver.march import LinearMarch", ["march"]),
        ("laws", "from solver.nowhere import x", ["nowhere"]),
        ("laws", "from solver.curves import Curve\nfrom solver.kernels import Array", []),
    ],
)
def test_an_import_upwards_is_seen(name: str, source: str, found: list[str]) -> None:
    assert upward(name, source) == found


@pytest.mark.parametrize("package", ["pydantic", "app", "matplotlib", "fastapi.routing", "numba"])
def test_a_foreign_import_is_seen(package: str) -> None:
    hidden = f"def f():\n    if True:\n        import {package}"
    assert foreign(hidden, NEEDS | {"solver"}) == {package.split(".")[0]}


def test_importing_the_solver_loads_nothing_of_the_service() -> None:
    script = (
        "import sys; before = set(sys.modules); import solver; print(*set(sys.modules) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "numba" in loaded
    assert not loaded & SERVICE


def sources() -> list[Path]:
    folders = (ROOT / name for name in ("solver", "app", "tests", "benchmarks", "examples"))
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def test_no_file_is_long_or_vaguely_named() -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in sources()}
    assert {path: n for path, n in lengths.items() if n > LONGEST_FILE} == {}
    assert [path for path in lengths if VAGUE & {path.stem, *path.parts}] == []
    assert len(lengths) > 40


def functions(source: str) -> Iterator[tuple[str, int]]:
    """Every function and how many lines it has, its docstring apart."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            doc = node.body[0] if ast.get_docstring(node) else None
            lines = doc.end_lineno - doc.lineno + 1 if doc else 0
            yield node.name, node.end_lineno - node.lineno + 1 - lines


def test_no_function_is_long() -> None:
    lengths = {
        (str(path.relative_to(ROOT)), name): lines
        for path in sources()
        for name, lines in functions(path.read_text())
    }
    assert {where: n for where, n in lengths.items() if n > LONGEST_FUNCTION} == {}
    long = "def f():\n" + "    x = 1\n" * 81
    assert dict(functions(long))["f"] > LONGEST_FUNCTION


def test_what_is_public_is_listed_in_order_and_explained() -> None:
    public = {n for n in vars(solver) if not n.startswith("_") and not ismodule(getattr(solver, n))}
    assert set(solver.__all__) == public
    kinds = [(not n.isupper(), not n[0].isupper(), n) for n in solver.__all__]
    assert kinds == sorted(kinds)
    assert kinds[::-1] != sorted(kinds)
    callables = [getattr(solver, n) for n in solver.__all__ if callable(getattr(solver, n))]
    assert [c.__name__ for c in callables if not c.__doc__] == []


def test_every_module_says_what_it_is_for() -> None:
    docstrings = {p.name: ast.get_docstring(ast.parse(p.read_text())) for p in SOLVER.rglob("*.py")}
    assert [name for name, text in docstrings.items() if not text] == []
