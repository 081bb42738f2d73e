"""The real measurements as experiments; what each is, its SOURCE.md says.

The files stand outside this repository; a test that asks for one that is not there is skipped.
"""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from solver import (
    Bar,
    Convection,
    Experiment,
    Flux,
    Material,
    Sensor,
    Table,
    Temperature,
    Time,
    Unknown,
)

Array = NDArray[np.float64]

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"


def path_of(name: str) -> Path:
    """A file of the measurements, or the test is skipped."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the measurements stand outside this repository, in ../shared/data: {name}")
    return path


def columns(name: str) -> dict[str, list[str]]:
    """A CSV file by its header, which remarks may stand above."""
    with path_of(name).open(newline="") as file:
        header, *rows = list(csv.reader(line for line in file if not line.startswith("#")))
    return {
        title: [row[i] if i < len(row) else "" for row in rows] for i, title in enumerate(header)
    }


def floats(cells: list[str], missing: str = "") -> Array:
    return np.array([np.nan if cell == missing else float(cell) for cell in cells])


def slab(case: str) -> Experiment:
    """FDS's exact series: 10 cm, insulated back at x = 0, gas at 120 C in front; T0 = 20 C.

    Unknown are the diffusivity and h/k; so the front is ``kappa (h/k) (120 - u)``, which is a
    conductivity kappa with a heat capacity of 1 and a coefficient kappa h/k: both are found.
    """
    table = columns(f"fds_analytic/heat_conduction_{case}.csv")
    times = floats(table["Time"])
    h = {"a": 1e-3, "c": 1e-5}[case]  # kappa h/k in m/s at the truth
    places = {"Back": 0.0, "8 cm": 0.02, "6 cm": 0.04, "4 cm": 0.06, "2 cm": 0.08, "Front": 0.1}
    sensors = tuple(
        Sensor(x, times[1:], floats(table[name])[1:], name=name) for name, x in places.items()
    )
    return Experiment(
        bar=Bar(0.1, None, 20.0),
        time=Time(float(times[-1])),
        material=Material(Unknown("kappa", 2e-6, scale="log"), "divergence"),
        right=Convection(Unknown("h", 3.0 * h, scale="log"), 120.0),
        sensors=sensors,
    )


def changing_slab(**matter: Any) -> Experiment:
    """FDS's slab whose k and c change: 1 cm, insulated centre at x = 0, gas at 700 C in front.

    k and rho c are straight lines between 0, 100 and 200 C; `matter` in their place.
    """
    table = columns("fds_analytic/heat_conduction_kc_cartesian.csv")
    times, at = floats(table["Time"])[1:], [0.0, 100.0, 200.0]
    k = Table(at, [0.10, 0.15, 0.20], of="u")
    C = Table(at, 1e7 * np.array([1.0, 1.2, 1.0]), of="u")
    return Experiment(
        bar=Bar(0.01, None, 0.0),
        time=Time(float(times[-1])),
        material=Material(**{"conductivity": k, "heat_capacity": C} | matter),
        right=Convection(10.0, 700.0),
        sensors=(
            Sensor(0.01, times, floats(table["Surface"])[1:], name="surface"),
            Sensor(0.0, times, floats(table["Center"])[1:], name="centre"),
        ),
    )


def ice(top: float) -> Experiment:
    """Rikha Samba, hole 247, from 2014-11-16 on, between `top` and 10 m depth."""
    name = "glenglat_rikha_samba/borehole_247_hourly_wide.csv"
    table = columns(name)
    keep = np.array([stamp >= "2014-11-16" for stamp in table["time_local"]])
    times = floats(table["time_s"])[keep]
    times -= times[0]
    depths = {
        float(match.group(1)): floats(table[title])[keep]
        for title in table
        if (match := re.fullmatch(r"T_([\d.]+)m", title))
    }
    return buried({d: T for d, T in depths.items() if top <= d <= 10.0}, times, 1e-6)


def soil(year: int) -> Experiment:
    """USCRN Bedford: one calendar year of daily means between 5 and 100 cm."""
    table = columns("uscrn_daily/IN_Bedford_5_WNW.txt")
    days = [i for i, date in enumerate(table["LST_DATE"]) if date.startswith(str(year))]
    times = 86400.0 * np.arange(len(days))
    depths = {}
    for cm in (5, 10, 20, 50, 100):
        T = floats(table[f"SOIL_TEMP_{cm}_DAILY"])[days]
        depths[cm / 100] = np.where(T < -90, np.nan, T)
    return buried(depths, times, 5e-7)


def buried(depths: dict[float, Array], times: Array, start: float) -> Experiment:
    """A string of thermometers: the outermost pin the ends, the others are read."""
    (top, first), *inner, (bottom, last) = sorted(depths.items())
    x = np.array([d - top for d in sorted(depths)])
    initial = np.array([T[~np.isnan(T)][0] for _, T in sorted(depths.items())])
    return Experiment(
        bar=Bar(bottom - top, None, Table(x, initial)),
        time=Time(float(times[-1])),
        material=Material(Unknown("kappa", start, scale="log")),
        left=Temperature(series(times, first)),
        right=Temperature(series(times, last)),
        sensors=tuple(Sensor(d - top, times, T, name=f"{d:g} m") for d, T in inner),
    )


def series(times: Array, values: Array) -> Table:
    """A series over the gaps of a record."""
    here = ~np.isnan(values)
    return Table(times, np.interp(times, times[here], values[here]))


def wall(conductivity: float | Unknown = 13.5, **unknown: Any) -> Experiment:
    """Musil's steel wall: measured flux in, convection out, one thermocouple inside."""
    table = columns("musil_flux_wall/DATA.csv")
    times, T = floats(table["Time"]), floats(table["Temperature"])
    flux, ambient = floats(table["HeatFlux"]), floats(table["T_amb"])
    experiment = Experiment(
        bar=Bar(0.01, None, float(T[0])),
        time=Time(float(times[-1])),
        material=Material(
            conductivity=conductivity,
            heat_capacity=Unknown("capacity", 3e6, scale="log"),
        ),
        left=Flux(Table(times, flux)),
        right=Convection(Unknown("h", 10.0, scale="log"), Table(times, ambient)),
        sensors=(Sensor(0.00445, times, T, name="thermocouple"),),
    )
    return replace(experiment, **unknown)
