"""What is shipped: metadata, lock files, wheel, and that the solver stands alone."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ["requirements.lock", "requirements-dev.lock"]
SOLVER_NEEDS = {"numba", "numpy", "scipy"}


def locked(name: str) -> dict[str, str]:
    """Map each package of a lock file to its version; fails on an entry without a hash."""
    entries = re.split(r"^(?=[a-z0-9])", (ROOT / name).read_text(), flags=re.MULTILINE)[1:]
    assert entries
    versions = {}
    for entry in entries:
        pin = re.match(r"(\S+)==(\S+)", entry)
        assert pin, entry
        assert "--hash=sha256:" in entry, pin[0]
        assert pin[1] not in versions, f"{pin[1]} is locked twice"
        versions[pin[1]] = pin[2]
    return versions


def developers_requirements() -> list[str]:
    groups = PROJECT["dependency-groups"]
    return [line for group in groups.values() for line in group if isinstance(line, str)]


@pytest.mark.parametrize("name", LOCKS)
def test_lock_files_name_no_place(name):
    # Where packages come from is the business of the machine that installs them.
    text = (ROOT / name).read_text()
    assert not re.search(r"://|index-url|find-links|trusted-host|(^|\s)/|file:", text)


def test_development_uses_the_versions_that_are_shipped():
    shipped, development = locked(LOCKS[0]), locked(LOCKS[1])
    assert shipped.items() <= development.items()


@pytest.mark.parametrize(
    ("lock", "requirements"),
    [
        (LOCKS[0], PROJECT["project"]["dependencies"] + PROJECT["build-system"]["requires"]),
        (LOCKS[1], developers_requirements()),
    ],
)
def test_every_requirement_is_locked(lock, requirements):
    versions = locked(lock)
    for requirement in map(Requirement, requirements):
        name = canonicalize_name(requirement.name)
        assert name in versions, f"{name} is not in {lock}: make lock"
        assert Version(versions[name]) in requirement.specifier, f"{name}: make lock"


def test_wheel(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, text=True)
    (wheel,) = tmp_path.glob("kappafit-*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
    in_tree = {
        str(file.relative_to(ROOT))
        for package in ("app", "solver")
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    metadata = {file for file in files if ".dist-info/" in file}
    assert files - metadata == in_tree
    assert any(file.endswith("entry_points.txt") for file in metadata)
    assert any(file.endswith("licenses/LICENSE") for file in metadata)


def test_command_is_there():
    module, _, function = PROJECT["project"]["scripts"]["kappafit"].partition(":")
    assert callable(getattr(import_module(module), function))


def test_solver_needs_no_package_of_the_service():
    program = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import solver
print({{name.partition(".")[0] for name in sys.modules}} - set(sys.stdlib_module_names))
"""
    # -I and -S: nothing that a site's start-up files import is taken for the solver's.
    paths = [path for path in sys.path if path.endswith("site-packages")]
    program = f"import sys; sys.path += {paths!r}\n{program}"
    run = [sys.executable, "-I", "-S", "-c", program]
    loaded = ast.literal_eval(
        subprocess.run(run, check=True, capture_output=True, text=True).stdout
    )
    service = {
        Requirement(line).name.replace("-", "_") for line in PROJECT["project"]["dependencies"]
    } - SOLVER_NEEDS
    assert loaded >= {"solver", *SOLVER_NEEDS}
    assert not loaded & (service | {"app", "starlette"})


@pytest.mark.parametrize(
    "script",
    [ROOT / ".ci" / "run", *ROOT.glob("tests/*.sh"), *ROOT.glob("docker/**/*.sh")],
    ids=str,
)
def test_scripts_parse(script):
    subprocess.run(["bash", "-n", str(script)], check=True)


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
class TestMake:
    def test_help_lists_the_two_commands(self):
        listing = make("help").stdout
        assert "make run" in listing
        assert "make test" in listing

    @pytest.mark.parametrize("version", ["3.10.13", "3.99.0"])
    def test_says_that_the_python_does_not_fit(self, tmp_path, version):
        python = tmp_path / "python"
        python.write_text(
            f'#!/bin/sh\ncase $1 in --version) echo "Python {version}" ;; *) exit 1 ;; esac\n'
        )
        python.chmod(0o755)
        result = make("run", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}")
        assert result.returncode != 0
        assert "needs Python 3.11 to 3.14" in result.stderr
        assert f"Python {version}" in result.stderr
        assert not (tmp_path / "venv").exists()
