"""Real measurements: the parameters agree with the handbook, and the uncertainty is no lie."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from solver import Calibration, Unknown, calibrate
from tests.measurements import ice, slab, soil, wall


@cache
def fitted_ice(top: float) -> Calibration:
    return calibrate(ice(top))


def half_width(found: Calibration, j: int = 0) -> float:
    return float(np.ptp(found.uncertainty.intervals[j])) / 2


@pytest.mark.parametrize(("case", "ratio"), [("a", 1000.0), ("c", 10.0)])
def test_the_slab_of_the_fire_tables(case: str, ratio: float) -> None:
    """Diffusivity to 0.1 % and h/k to 0.3 %, both unknown at once, from two-decimal tables."""
    found = calibrate(slab(case))
    kappa, h = found.estimates["kappa"], found.estimates["h"]
    assert found.status == "converged"
    assert found.certificate.passed
    assert abs(kappa / 1e-6 - 1.0) <= 1e-3
    assert abs(h / kappa / ratio - 1.0) <= 3e-3
    assert all(r.rms < 0.005 for r in found.residuals)  # the tables' rounding is 0.003
    assert found.discretisation.relative_to_noise <= 0.1
    assert not found.discrepancy.dominates
    assert found.discrepancy.faulty_sensor is None


@pytest.mark.parametrize("top", [0.5, 2.0])
def test_ice_has_the_handbooks_diffusivity_and_wide_intervals(top: float) -> None:
    found = fitted_ice(top)
    u = found.uncertainty
    assert 0.85e-6 <= found.estimates["kappa"] <= 1.15e-6
    assert half_width(found) >= 9.0 * float(np.ptp(u.formal_intervals[0])) / 2
    assert found.discrepancy.dominates
    assert any("Model discrepancy, not noise, dominates" in said for said in found.warnings)
    assert found.certificate.passed


def test_the_two_windows_of_ice_differ_by_more_than_either_interval() -> None:
    """What each fit says by itself, that model discrepancy dominates, is what the two show."""
    shallow, deep = fitted_ice(0.5), fitted_ice(2.0)
    apart = abs(shallow.estimates["kappa"] - deep.estimates["kappa"])
    assert apart > max(half_width(shallow), half_width(deep))
    assert apart < half_width(shallow) + half_width(deep)  # though the widened ones do meet
    formal = [float(np.ptp(f.uncertainty.formal_intervals[0])) / 2 for f in (shallow, deep)]
    assert apart > 20 * sum(formal)


@pytest.mark.parametrize("year", range(2010, 2016))
def test_soil_year_by_year(year: int) -> None:
    found = calibrate(soil(year))
    assert found.status == "converged"
    assert 0.44e-6 <= found.estimates["kappa"] <= 0.62e-6
    assert found.discrepancy.faulty_sensor is None


def test_the_broken_sensor_of_2016() -> None:
    found = calibrate(soil(2016))
    assert found.discrepancy.faulty_sensor == "0.5 m"
    assert any("Sensor 0.5 m reads apart" in said for said in found.warnings)
    rms = [r.rms for r in found.residuals]
    assert rms[2] > 5 * max(rms[:2])


def test_the_steel_wall_by_its_heat_flux() -> None:
    found = calibrate(wall())
    assert abs(found.estimates["h"] - 13.3) <= 0.3
    assert abs(found.estimates["capacity"] / 3.74e6 - 1.0) <= 0.02
    assert found.uncertainty.identifiability.verdict == "determined"
    assert found.discrepancy.dominates  # 2-D losses and the flux meter's lag are not in the model


@pytest.mark.parametrize("bounds", [(0.0, np.inf), (1.0, 1e3)])
def test_the_walls_conductivity_cannot_be_had(bounds: tuple[float, float]) -> None:
    """Heat crosses it in half a minute; a signal of a quarter of an hour does not see that."""
    found = calibrate(wall(Unknown("k", 10.0, *bounds, scale="log")))
    said = found.uncertainty.identifiability
    j = found.parameters.names.index("k")
    assert said.verdict == "not-identifiable"
    assert max(said.weakest_direction, key=lambda name: abs(said.weakest_direction[name])) == "k"
    assert said.advice.startswith("k ")
    assert found.uncertainty.reasons[j] is not None  # no interval that would look like knowledge
    assert abs(found.estimates["h"] - 13.3) <= 0.3
    assert found.certificate.passed
