"""kappafit's service and command line: documents in, answers out, over `solver`."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("kappafit")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0+unknown"
