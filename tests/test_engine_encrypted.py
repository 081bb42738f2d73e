"""A cluster whose parts show each other certificates."""

import shutil
import subprocess

import pytest

from app.jobs.cluster import ClusterSettings
from app.jobs.job import EngineLost
from tests.engines import Running, piece

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="makes no certificates"),
]


def certificate(folder, name):
    """A certificate that is its own authority, and its key."""
    files = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "1", "-subj", "/CN=127.0.0.1", "-out", files[0], "-keyout"]
    subprocess.run([*command, files[1]], check=True, capture_output=True)
    return files[0], *files


def test_only_who_has_the_certificate_is_let_in(tmp_path):
    ours, others = certificate(tmp_path, "ours"), certificate(tmp_path, "others")
    with Running(ClusterSettings(workers=1, tls=ours)).open() as running:
        assert running.run(piece("secret")).result(60).status == "successful"
        address = running.client.scheduler.address
        assert address.startswith("tls://")
        for stranger in (
            ClusterSettings(address, tls=others),
            ClusterSettings(address.replace("tls", "tcp")),
        ):
            with Running(stranger) as outside, pytest.raises(EngineLost):
                outside.open()
        with Running(ClusterSettings(address, tls=ours)).open() as friend:
            assert friend.run(piece("shared")).result(60).status == "successful"
