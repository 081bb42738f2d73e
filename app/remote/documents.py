"""Documents as they are sent: JSON, with the text of the logs that they name."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from app.columns import with_texts
from app.strict_json import NotJson, parse_json

Document = dict[str, Any] | str | os.PathLike[str] | bytes


def as_sent(document: Document, log: bytes | None = None, folder: Path | None = None) -> bytes:
    """A document (a dict, a file's path, or JSON) as it is sent; as it stands where it can be.

    `log` takes the place of any that it names; those are looked for beside its file, else in
    `folder`. NumPy's arrays are lists.

    Raises OSError, NotJson, or InvalidExperiment for a log that is no text.
    """
    folder = folder or Path()
    if isinstance(document, str | os.PathLike):
        folder, document = Path(document).parent, Path(document).read_bytes()
    parsed = parse_json(document) if isinstance(document, bytes) else document
    whole = with_texts(parsed, lambda name: (folder / name).read_bytes(), log)
    if isinstance(document, bytes) and whole == parsed:
        return document
    return as_json(whole)


def as_json(value: Any) -> bytes:
    """A value as JSON. Raises NotJson."""
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False, default=_plain)
    except (TypeError, RecursionError) as error:
        raise NotJson(str(error)) from None
    except ValueError:
        detail = "a number is infinite or not one; write None where a reading is missing"
        raise NotJson(detail) from None
    return text.encode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is nothing that JSON knows")
