"""What the answer says where a figure alone would deceive."""

import json
import time

import numpy as np
import pytest

import solver
from app.document import read_document
from app.service import Task
from app.strict_json import NotJson, parse_json
from solver.remarks import sensor_labels
from tests.test_cli import kappafit


def answer(document):
    return Task(json.dumps(document).encode()).calibrate()


def simulated(document, **values):
    """The document with exact readings at `values`."""
    readings = solver.simulate(read_document(json.dumps(document).encode()), values)
    for sensor, temperatures in zip(document["sensors"], readings, strict=True):
        sensor["temperatures"] = temperatures.tolist()
    return document


def test_a_parameter_that_is_zero_is_not_called_undetermined_by_the_data(document):
    document["material"]["diffusivity"]["b"]["start"] = 0.0
    found = answer(simulated(document, a=2.0, b=0.0))
    assert found.estimates["b"].reason is None
    assert 0.005 < found.estimates["b"].standard_error < 0.05
    assert "no change of it moves" not in found.identifiability.advice


def test_a_fit_that_starts_at_its_optimum_is_proved_next_to_it(document):
    first = answer(document)
    for name in ("a", "b"):
        document["material"]["diffusivity"][name]["start"] = first.estimates[name].value
    again = answer(document)
    assert again.certificate.passed
    assert again.certificate.points[0].parameters["a"] != first.estimates["a"].value
    assert Task(json.dumps(document).encode()).check({}).certificate.passed


def test_no_sensor_is_lost_to_another_ones_name(document):
    sensor = document["sensors"][0]
    document["sensors"] = [{**sensor, "name": name} for name in ("", "0", "sensor 0", "")]
    names = sensor_labels(read_document(json.dumps(document).encode()))
    assert len(set(names)) == 4
    assert names[1:3] == ["0", "sensor 0"]


def test_an_endless_interval_is_none_with_a_reason(document):
    for name in ("a", "b"):
        document["material"]["diffusivity"][name]["scale"] = "log"
    for sensor in document["sensors"]:
        sensor["sigma"] = 1e4
    for estimate in answer(document).estimates.values():
        assert (estimate.interval is None) == (estimate.reason is not None)
        assert estimate.interval is None or np.isfinite(estimate.interval).all()


def test_a_search_that_did_not_arrive_has_no_intervals(document):
    document["fit"] = {"max_iterations": 1}
    found = answer(document)
    assert found.status == "max_iterations"
    assert all(e.interval is None for e in found.estimates.values())
    assert {e.reason for e in found.estimates.values()} == {"the search did not arrive"}


@pytest.mark.parametrize(
    ("factor", "words"), [(1e-3, "times the given sigma"), (1e3, "is it too large"), (1.0, None)]
)
def test_residuals_that_contradict_sigma_are_named(document, factor, words):
    for sensor in document["sensors"]:
        sensor["sigma"] *= factor
    warnings = answer(document).warnings
    assert any(words in warning for warning in warnings) if words else warnings == []


def test_residuals_that_follow_one_another_are_named(document):
    drift = 1e-3 * np.sin(np.linspace(0.0, 3.0, 25))
    sensor = document["sensors"][0]
    sensor["temperatures"] = (np.array(sensor["temperatures"]) + drift).tolist()
    assert any("follow one another" in warning for warning in answer(document).warnings)


def test_a_list_of_sources_keeps_its_unknowns(document):
    experiment = read_document(json.dumps(document).encode())
    strength = solver.Source(1.0, history=solver.Unknown("q", 1.0))
    listed = solver.Experiment(
        experiment.bar, experiment.time, experiment.material, source=[strength]
    )
    assert "q" in solver.starts(listed)


def test_a_key_written_twice_among_many_is_found_at_once():
    text = "{" + ",".join(f'"k{i}":1' for i in range(60_000)) + ',"k59999":1}'
    began = time.perf_counter()
    with pytest.raises(NotJson, match="k59999"):
        parse_json(text.encode())
    assert time.perf_counter() - began < 2.0


def test_a_list_of_wrong_values_is_refused_at_its_first(document):
    document["sensors"][0]["times"] = ["a"] * 100_000
    with pytest.raises(solver.InvalidExperiment) as caught:
        read_document(json.dumps(document).encode())
    pointers = [problem.pointer for problem in caught.value.problems]
    assert pointers == ["#/sensors/0/times/0"]


def test_names_are_no_markup_on_the_terminal(document, tmp_path):
    document["sensors"][0]["name"] = "T[/]"
    file = tmp_path / "markup.json"
    file.write_text(json.dumps(document))
    run = kappafit("calibrate", file)
    assert run.returncode == 0, run.stderr
    assert "T[/]" in run.stdout.decode()


@pytest.mark.parametrize("plot", ["fit.xyz", "no/such/folder/fit.png"])
def test_a_plot_that_cannot_be_written_is_refused_before_the_fit(plot, tmp_path, document):
    run = kappafit("calibrate", "-", "--plot", tmp_path / plot, stdin=json.dumps(document).encode())
    assert run.returncode == 2
    assert b"Traceback" not in run.stderr
    assert run.stdout == b""


def test_a_port_that_is_taken_is_said(server):
    run = kappafit("serve", "--port", server.port)
    assert run.returncode == 2
    assert b"cannot listen" in run.stderr
    assert b"curl" not in run.stdout
