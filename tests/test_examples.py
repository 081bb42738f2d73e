"""Every script in examples/ runs and prints what its reader expects."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem)
def test_it_runs(script, server):
    run = subprocess.run(
        [sys.executable, script],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "KAPPAFIT_SERVER": server.url},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert "+-" in run.stdout
