"""The cache of compiled kernels, in processes of their own with a cache folder of their own."""

from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from solver import LAWS, warm
from solver.kernels import cache_folder

ROOT = Path(__file__).parents[1]

# One small kernel, and where it came from: (cache hits, cache misses).
ONE_KERNEL = """
import numpy as np
from solver import kernels
def one_kernel():
    out = np.empty((2, 8))
    kernels.pack(np.full((1, 4), 0.5), 2, out)
    return out[0, 0]
def stats():
    found = kernels.pack.stats
    return sum(found.cache_hits.values()), sum(found.cache_misses.values())
"""
# What a file system that is mounted read-only says, whoever asks.
READ_ONLY = """
import errno, os, tempfile
writable = tempfile.TemporaryFile
def temporary(mode="w+b", *, dir=None, **rest):
    if str(dir).startswith(os.environ["KAPPAFIT_CACHE"]):
        raise OSError(errno.EROFS, "read-only file system")
    return writable(mode, dir=dir, **rest)
tempfile.TemporaryFile = temporary
"""


def run(script: str, cache: Path, root: Path = ROOT, **environment: str) -> list[str]:
    """The lines that a fresh process writes."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "PYTHONPATH"))}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root,
        env=kept | {"KAPPAFIT_CACHE": str(cache)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds the one kernel."""
    cache = tmp_path_factory.mktemp("cache")
    said = run(f"{ONE_KERNEL}\nprint(one_kernel(), *stats())", cache)
    assert said[0].split()[1:] == ["0", "1"]  # nothing was there
    return cache


@pytest.fixture
def copied(compiled: Path, tmp_path: Path) -> Path:
    """The same, to be spoilt."""
    return shutil.copytree(compiled, tmp_path / "cache")


def files(cache: Path) -> set[str]:
    return {str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()}


def test_a_second_process_loads_what_the_first_compiled(compiled: Path) -> None:
    before = files(compiled)
    said = run(f"{ONE_KERNEL}\none_kernel(); print(*stats())", compiled)
    assert said == ["1 0"]
    assert files(compiled) == before
    assert all(name.split("/")[0].startswith("kernels-") for name in before)


def test_a_read_only_cache_is_used_through_a_private_copy(compiled: Path, tmp_path: Path) -> None:
    """An image whose kernels were compiled when it was built."""
    before = files(compiled)
    script = f"{READ_ONLY}{ONE_KERNEL}\none_kernel(); print(*stats(), kernels.cache_folder())"
    *hits, folder = run(script, compiled, TMPDIR=str(tmp_path))[0].split()
    assert hits == ["1", "0"]
    assert files(compiled) == before
    assert compiled not in Path(folder).parents
    assert tmp_path in Path(folder).parents
    assert not Path(folder).exists()  # and it is gone with its process


def test_a_cache_that_cannot_be_made_costs_time_and_no_more(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    said = run(f"{ONE_KERNEL}\none_kernel(); print(*stats())", blocked / "cache")
    assert said == ["0 1"]
    assert blocked.read_text() == ""


def cut_in_half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def zeroed(content: bytes) -> bytes:
    return bytes(len(content))


def absurd(content: bytes) -> bytes:
    """A pickle that announces a frame of 2^64 - 1 bytes."""
    return b"\x80\x05\x95" + b"\xff" * 8


HEAL = f"""{ONE_KERNEL}
from solver import warm
from solver.kernels import cache_folder
try:
    one_kernel()
except Exception as error:
    print(type(error).__name__)
warm._run_everything = one_kernel
warm.warm_up()
one_kernel()
print(*stats())
"""


@pytest.mark.parametrize(
    ("suffix", "damage"), [(".nbc", cut_in_half), (".nbi", zeroed), (".nbi", absurd)]
)
def test_a_damaged_cache_heals(suffix: str, damage: Callable, copied: Path) -> None:
    """What a killed process or a full disk leaves behind; Numba alone fails on it for ever."""
    spoilt = next(copied.rglob(f"*pack*{suffix}"))
    spoilt.write_bytes(damage(spoilt.read_bytes()))
    failure, compiled_anew = run(HEAL, copied)
    assert failure in ("UnpicklingError", "EOFError", "OverflowError")  # the damage bites
    assert compiled_anew == "0 1"


@pytest.mark.parametrize(
    "error", [pickle.UnpicklingError, EOFError, OSError, ValueError, OverflowError, KeyError]
)
def test_any_failure_of_loading_is_met_with_a_clean_cache(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def everything() -> None:
        done.append("run")
        if "clear" not in done:
            raise error("damaged")

    monkeypatch.setattr(warm, "_run_everything", everything)
    monkeypatch.setattr(warm, "clear_cache", lambda: done.append("clear"))
    warm.warm_up()
    assert done == ["run", "clear", "run"]


def test_a_failure_that_stays_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def always() -> None:
        raise ValueError("not the cache")

    monkeypatch.setattr(warm, "_run_everything", always)
    monkeypatch.setattr(warm, "clear_cache", lambda: None)
    with pytest.raises(ValueError, match="not the cache"):
        warm.warm_up()


def digest(kernels: Path) -> str:
    """What the cache folder of a copy of the kernels would be named after."""
    spec = importlib.util.spec_from_file_location("copied", kernels / "compiled.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module._source_digest()


@pytest.mark.parametrize("name", ["tridiagonal.py", "compiled.py", "march.py", "__init__.py"])
def test_an_edit_of_any_kernel_asks_for_another_folder(name: str, tmp_path: Path) -> None:
    """Numba itself misses an edit in a file that a kernel only calls into."""
    copy = shutil.copytree(ROOT / "solver" / "kernels", tmp_path / "kernels")
    before = digest(copy)
    assert before == digest(ROOT / "solver" / "kernels")
    (copy / name).write_text((copy / name).read_text() + "\n# an edit\n")
    assert digest(copy) != before
    assert cache_folder().name == f"kernels-{before}" or "kappafit-kernels-" in str(cache_folder())


def test_warm_is_said_only_when_something_is_compiled(
    compiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, said in ((tmp_path, False), (compiled, True)):
        monkeypatch.setattr(warm, "cache_folder", lambda folder=folder: folder)
        assert warm.is_warm() is said


def test_other_packages_keep_their_own_cache(tmp_path: Path) -> None:
    script = """
import numba
before = numba.config.CACHE_DIR
import solver
print(numba.config.CACHE_DIR == before)
"""
    assert run(script, tmp_path) == ["True"]


# Every registered law, of place and of temperature, in every form, by every method; what it prints
# is how many specialisations of kernels a start leaves behind, and how many there are afterwards.
EVERY_REQUEST = """
import pkgutil
from importlib import import_module
import numpy as np
from solver import *
from solver import kernels
from solver.network import Network, unknown_network

def specialisations():
    names = [module.name for module in pkgutil.iter_modules(kernels.__path__)]
    found = [vars(import_module(f"solver.kernels.{name}")).values() for name in names]
    return sum(len(k.overloads) for part in found for k in part if hasattr(k, "overloads"))

def read_only(values):
    array = np.array(values, float)
    array.flags.writeable = False
    return array

def law(name, of):
    if name == "constant":
        return Unknown("a", 1.0)
    if name == "layers":
        return Layers(read_only([0.4]), (1.0, Unknown("a", 2.0)))
    if name == "polynomial":
        return Polynomial(Unknown("a", (1.0, 0.2, 0.1, 0.1, 0.05)), of)
    if name == "table":
        points = read_only([-9.0, 0.3, 9.0])
        return Table(points, Unknown("a", (1.0, 2.0, 3.0)), "monotone-cubic", of)
    if name == "network":
        return unknown_network("a", (3,), of=of)
    return LAWS[name](Unknown("a", 1.0), 0.2, of)

def material(form, law):
    if form == "conductivity":
        return Material(conductivity=law, heat_capacity=2.0)
    if form == "heat capacity":
        return Material(conductivity=2.0, heat_capacity=law)
    return Material(law, form)

START
before, requests, times = specialisations(), 0, read_only(np.linspace(0.0, 1.0, 5))
for name in LAWS:
    for of in ("x", "u") if hasattr(LAWS[name], "of") else ("x",):
        for form in ("nondivergence", "divergence", "conductivity", "heat capacity"):
            for method in TABLEAUX:
                objective = Objective(Experiment(
                    bar=Bar(1.0, 4, 0.2),
                    time=Time(1.0, 5, method),
                    material=material(form, law(name, of)),
                    source=(Source(Unknown("power", 1.0)),),
                    right=Temperature(0.3),
                    sensors=(Sensor(0.0, times, read_only(np.sqrt(times))),),
                ), memory=[10, 10**6][requests % 2])
                theta = objective.parameters.start
                for point in (theta, read_only(theta), read_only(1.01 * theta)):
                    objective.predict(point), objective.value_and_gradient(point)
                    objective.jacobian(point), objective.hessian_vector(point, point)
                requests += 1
print(requests, before, specialisations())
"""


@pytest.mark.parametrize(
    ("start", "everything"), [("warm_up()", True), ("Objective", False), ("LINEAR", False)]
)
def test_after_a_start_no_request_compiles(start: str, everything: bool) -> None:
    """Not for another law, method or value, nor in a complex step; controls start with less."""
    linear = """
from solver import warm
warm.Material = lambda law: Material(Linear(Unknown("a", 1.0), Unknown("b", 0.5)))
warm_up()
"""
    script = EVERY_REQUEST.replace("START", linear if start == "LINEAR" else start)
    requests, before, after = map(int, run(script, cache_folder().parent)[-1].split())
    assert requests == 4 * 4 * (len(LAWS) + sum(hasattr(law, "of") for law in LAWS.values()))
    assert (after == before) == everything
