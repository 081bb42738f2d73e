"""Documents that run as they stand; they are the examples of the interactive documentation."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def example_bytes(name: str = "lecture") -> bytes:
    """The document NAME as it lies here."""
    return (files(__name__) / f"{name}.json").read_bytes()


def example(name: str = "lecture") -> dict[str, Any]:
    """The document NAME."""
    document: dict[str, Any] = json.loads(example_bytes(name))
    return document
