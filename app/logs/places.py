"""Where a sensor stands, as far as the names of columns tell."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from app.logs.headings import words_of
from app.units import to_si

# Names of a bar's faces and middle: such a sensor stands in line with its neighbours in the file.
FACES = frozenset(
    "front back surface center centre middle face left right top bottom inner outer inside outside"
    " hot cold base tip".split()
)

_NUMBER = r"(?P<sign>(?<=[=( ])-|^-)?(?P<number>[0-9]+(?:[.,][0-9]+)?)"
_PLACE = re.compile(_NUMBER + r"[ _]?(?P<unit>mm|cm|dm|um|µm|μm|m|inch|in|ft)(?![A-Za-z])")
_BARE = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def written_place(name: str) -> float | None:
    """The place in m that a name says with its unit, as in ``T_0.5m``, ``8 cm``, ``x=0.02 m``."""
    found = _PLACE.search(name)
    if found is None:
        return None
    number = float(found["number"].replace(",", "."))
    place = to_si(number, found["unit"], "length")
    return -place if found["sign"] else place


def numbered_places(names: Sequence[str]) -> tuple[dict[str, float], str]:
    """Places in m of names that differ in one number, as in ``SOIL_TEMP_50``, and the unit taken.

    Whole numbers are cm and others m. Small whole numbers count sensors, and are no places.
    """
    alike: dict[str, dict[str, str]] = defaultdict(dict)
    for name in names:
        numbers = _BARE.findall(name)
        if len(numbers) == 1:
            alike[_BARE.sub("#", name)][name] = numbers[0]
    series = max(alike.values(), key=len, default={})
    values = {name: float(number) for name, number in series.items()}
    whole = all("." not in number for number in series.values())
    counts = whole and max(values.values(), default=0.0) <= 2 * len(values)
    if len(set(values.values())) < 2 or counts:
        return {}, ""
    scale, unit = (0.01, "cm") if whole else (1.0, "m")
    return {name: scale * value for name, value in values.items()}, unit


def places_in_line(names: Sequence[str], known: Mapping[str, float]) -> dict[str, float]:
    """Places of faces, such as Front and Back, in line with their neighbours in the file.

    Only where the known places rise or fall in the order of the file; else there are none.
    """
    at = [i for i, name in enumerate(names) if name in known]
    x = [known[names[i]] for i in at]
    steps = np.diff(x)
    if len(x) < 2 or not (np.all(steps > 0) or np.all(steps < 0)):
        return {}
    faces = [i for i, name in enumerate(names) if i not in at and is_face(name)]
    return {names[i]: _in_line(i, at, x) for i in faces}


def is_face(name: str) -> bool:
    """Whether a name is that of a face of the bar, or of its middle."""
    return not FACES.isdisjoint(words_of(name))


def _in_line(i: int, at: Sequence[int], x: Sequence[float]) -> float:
    """Linear between two neighbours, or on from the last two."""
    right = min(max(int(np.searchsorted(at, i)), 1), len(at) - 1)
    left = right - 1
    slope = (x[right] - x[left]) / (at[right] - at[left])
    return float(x[left] + slope * (i - at[left]))
