"""Plots: what is drawn for one sensor or many, for curves with their bands, for a joint fit."""

import json
import struct

import numpy as np
import pytest

from app.service import Task
from tests.documents import TRUTH, linear, put, rich, twin
from tests.test_joint_documents import parts

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

from app import plots


def found(document):
    return Task(json.dumps(document).encode()).find()


@pytest.fixture(scope="module")
def recovered():
    return found(twin(rich(), TRUTH))


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """A function that draws a calibration and returns the figure's visible axes and its title."""
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, file, **_: figures.append(figure))

    def draw(calibration):
        plots.calibration(calibration, tmp_path / "unused.png")
        figure = figures.pop()
        title = figure._suptitle.get_text().replace("\N{NO-BREAK SPACE}", " ")
        return [axes for axes in figure.axes if axes.get_visible()], title

    return draw


def titles(axes):
    return [a.get_title(loc="left") for a in axes if a.get_title(loc="left")]


def size_of(file):
    data = file.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


def test_sensors_and_every_fitted_curve(recovered, drawn):
    axes, title = drawn(recovered)
    assert len(axes) == 6 * 2 + 1 + 5
    assert titles(axes) == [
        *(f"{cm} cm, x = {cm / 100:g} m" for cm in (0, 1, 3, 5, 8, 10)),
        "autocorrelation of residuals",
        "bar/initial",
        "material/conductivity",
        "material/heat_capacity",
        "source/0/profile",
        "left/value",
    ]
    labels = [a.get_ylabel() for a in axes[-5:]]
    assert labels == [
        "temperature / K",
        "conductivity / W/m/K",
        "heat capacity / J/m³/K",
        "source's profile",
        "heat flux / W/m²",
    ]
    assert [a.get_xlabel() for a in axes[-2:]] == ["x / m", "time / s"]
    assert "T0 = 299.9" in title
    assert "and 2 more  (determined)" in title
    data = axes[0].lines[0].get_xydata()
    assert np.ptp(axes[0].lines[-1].get_ydata()) > 1.0  # the fit
    assert len(data) == 50


def test_bands_lie_around_their_curves_and_are_named_where_they_are(recovered, drawn):
    axes, _ = drawn(recovered)
    flux = axes[-1]
    (band,) = flux.collections
    low, high = band.get_paths()[0].get_extents().intervaly
    values = flux.lines[0].get_ydata()
    assert low < values.min() < values.max() < high
    assert [text.get_text() for text in flux.get_legend().get_texts()] == ["95 %"]
    short = twin(rich(), TRUTH)
    short["fit"]["max_iterations"] = 1
    axes, _ = drawn(found(short))
    assert not axes[-1].collections
    assert axes[-1].get_legend() is None


def test_many_sensors_are_not_all_drawn(drawn):
    document = linear()
    document["sensors"] = [
        {"name": f"s{k}", "x": k / 20, "times": [0.002 * i for i in range(1, 301)], "sigma": 1e-3}
        for k in range(20)
    ]
    axes, title = drawn(found(twin(document, {"a": 0.8, "b": 0.3})))
    assert len(axes) == plots.MOST_SENSORS * 2 + 2
    assert "8 sensors not drawn" in title
    correlations = axes[-2]
    assert len(correlations.lines) == plots.MOST_SENSORS + 3
    assert correlations.get_legend() is None  # twelve names would hide the lines
    assert correlations.get_xlim()[1] == plots.FEWEST_LAGS  # the noise is white
    few = put(document, ("sensors",), document["sensors"][:1])
    axes, title = drawn(found(twin(few, {"a": 0.8, "b": 0.3})))
    assert len(axes) == 4
    assert "not drawn" not in title
    assert axes[-2].get_legend() is not None


def test_residuals_with_a_memory_are_followed_until_it_ends(drawn):
    document = linear()
    document["sensors"] = document["sensors"][:1]
    times = document["sensors"][0]["times"] = [0.005 * k for k in range(1, 201)]
    document = twin(document, {"a": 0.8, "b": 0.3})
    sensor = document["sensors"][0]
    drift = 0.02 * np.sin(9.0 * np.array(times))
    sensor["temperatures"] = (np.array(sensor["temperatures"]) + drift).tolist()
    correlations = drawn(found(document))[0][-2]
    assert plots.FEWEST_LAGS < correlations.get_xlim()[1] <= 100


def test_a_long_title_is_broken_to_fit(drawn):
    document = linear()
    document["material"]["diffusivity"] = {"unknown": "diffusivity", "start": 0.5}
    document["bar"]["initial"] = {"unknown": "initial_temperature", "start": 0.1}
    document["left"]["value"] = {"unknown": "flux_on_the_left", "start": 0.4}
    document["sensors"] = document["sensors"][:1]
    axes, title = drawn(found(twin(document, {"diffusivity": 0.8, "flux_on_the_left": 1.0})))
    lines = title.split("\n")
    assert len(lines) > 1
    assert [line.count("=") for line in lines] == [line.count("±") for line in lines]
    figure = axes[0].get_figure(root=True)
    figure.draw_without_rendering()
    box = figure._suptitle.get_window_extent()
    assert 0.0 < box.x0 < box.x1 < figure.bbox.width
    figure.suptitle(title.replace("\n", " "), fontsize=11)
    figure.draw_without_rendering()
    assert figure._suptitle.get_window_extent().x0 < 0.0  # on one line it would not


def test_a_joint_fit_draws_a_shared_law_once(drawn):
    axes, title = drawn(found({"experiments": parts()}))
    assert titles(axes) == [
        *("0/in, x = 0.25 m", "0/out, x = 0.7 m", "1/0, x = 0.9 m", "1/in, x = 0.2 m"),
        *("autocorrelation of residuals", "experiments/0/material/diffusivity"),
    ]
    assert "h = 1.9" in title or "h = 2.0" in title


@pytest.mark.parametrize(
    ("seconds", "unit", "last"), [(600.0, "s", 600.0), (14400.0, "h", 4.0), (8.64e5, "d", 10.0)]
)
def test_long_runs_are_drawn_in_hours_and_days(drawn, seconds, unit, last):
    document = linear()
    document["time"]["end"] = seconds
    document["material"]["diffusivity"] = {"unknown": "kappa", "start": 1.0 / seconds}
    document["left"] = {"kind": "temperature", "value": 1.0}
    document["sensors"][0]["times"] = [seconds * k / 20 for k in range(1, 21)]
    document["sensors"] = document["sensors"][:1]
    axes, _ = drawn(found(twin(document, {"kappa": 0.3 / seconds})))
    assert axes[1].get_xlabel() == f"time / {unit}"
    assert axes[1].lines[-1].get_xdata()[-1] == pytest.approx(last)


def test_no_panel_lies_over_another(recovered, drawn):
    axes, _ = drawn(recovered)
    figure = axes[0].get_figure(root=True)
    for _ in range(2):  # the layout settles
        figure.draw_without_rendering()
    boxes = [a.get_tightbbox() for a in axes]
    for i, box in enumerate(boxes):
        for other in boxes[:i]:
            assert not box.padded(-2).overlaps(other.padded(-2))
    assert boxes[0].padded(5000).overlaps(boxes[-1])  # the comparison can fail


def test_files(recovered, tmp_path):
    plots.calibration(recovered, tmp_path / "fit.png")
    assert size_of(tmp_path / "fit.png") == (2130, 2400)
    assert 100_000 < (tmp_path / "fit.png").stat().st_size < 2_000_000
    plots.calibration(found({"experiments": parts()}), tmp_path / "joint.svg")
    assert (tmp_path / "joint.svg").read_bytes().startswith(b"<?xml")
    check = Task(json.dumps(twin(linear(), {"a": 0.8})).encode()).check({})
    plots.error_curve(check, tmp_path / "check.png")
    assert size_of(tmp_path / "check.png") == (960, 660)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (299.99994, 3.02e-4, "299.99994 ± 0.0003"),
        (1500142.4, 343.0, "1.50014e+06 ± 3.4e+02"),
        (-0.3, 0.012, "-0.3 ± 0.012"),
        (2.0, 50.0, "2 ± 50"),
        (2.0, np.nan, "2"),
        (0.0, 0.1, "0"),
    ],
)
def test_a_value_is_written_to_its_error(value, error, text):
    assert plots._with_error(value, error) == text
