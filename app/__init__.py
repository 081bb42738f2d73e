"""kappafit's service and command line: documents in, answers out, over `solver`."""

import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

# The matrices here are small and the service solves on every core: threads within one product only
# wait for each other (a hundredfold loss on a busy machine). NumPy must not have been loaded yet.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

try:
    __version__ = version("kappafit")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0+unknown"


@cache
def versions() -> dict[str, str]:
    """What computes here."""
    libraries = {name: version(name) for name in ("numba", "numpy", "scipy")}
    return {"kappafit": __version__, "python": platform.python_version(), **libraries}
