"""The document becomes the experiment it describes; the schema follows the registries."""

import json

import numpy as np
import pytest

import solver
from app.document import read_document
from app.limits import Limits, estimated_bytes
from app.schema import BOUNDARY_PARTS, LAW_PARTS, Document
from solver import InvalidExperiment


def read(document, **limits):
    return read_document(json.dumps(document).encode(), Limits(**limits) if limits else None)


def test_everything_arrives(document):
    document["bar"]["initial"] = {"x": [0.0, 1.0], "values": [1.0, 2.0]}
    document["left"] = {"kind": "flux", "value": {"expression": "sin(t)"}}
    document["right"] = {"kind": "temperature", "value": {"unknown": "end", "start": 2.0}}
    document["sensors"][0]["temperatures"][3] = None
    document["material"]["diffusivity"]["b"]["scale"] = "log"
    e = read(document)
    assert e.bar.initial.value(np.array([0.5])) == pytest.approx(1.5)
    assert e.left.value.variable == "t"
    assert e.right.value == solver.Unknown("end", 2.0)
    assert e.material.diffusivity == solver.Linear(
        solver.Unknown("a", 1.0, 0.01, 100.0), solver.Unknown("b", 1.0, scale="log")
    )
    assert np.isnan(e.sensors[0].temperatures[3])
    assert e.sensors[0].present.sum() == 24
    assert solver.starts(e) == {"a": 1.0, "b": 1.0, "end": 2.0}


def test_a_number_stands_for_the_constant_law(document):
    document["material"]["diffusivity"] = {"unknown": "kappa", "start": 2.0}
    by_number = solver.value_and_gradient(read(document))
    document["material"]["diffusivity"] = {
        "law": "constant",
        "a": {"unknown": "kappa", "start": 2.0},
    }
    assert solver.value_and_gradient(read(document)) == by_number


def test_defaults_are_an_insulated_bar(document):
    del document["left"], document["right"], document["bar"]["initial"]
    e = read(document)
    assert e.left == e.right == solver.Flux(0.0)
    assert e.bar.initial == 0.0


def test_every_registered_law_and_end_is_in_the_schema():
    assert set(LAW_PARTS) == set(solver.LAWS)
    assert set(BOUNDARY_PARTS) == set(solver.BOUNDARIES)
    schema = json.dumps(Document.model_json_schema())
    for name in (*solver.LAWS, *solver.BOUNDARIES):
        assert f'"{name}"' in schema


def test_limits_grow_with_what_is_asked_for(document):
    small = Document.model_validate(document)
    document["time"]["steps"] *= 100
    large = Document.model_validate(document)
    assert estimated_bytes(large, 2) > 10 * estimated_bytes(small, 2)
    assert estimated_bytes(small, 10) > estimated_bytes(small, 2)
    read(document)
    with pytest.raises(InvalidExperiment, match="beyond the limit of 1000"):
        read(document, cell_steps=1000)
    with pytest.raises(InvalidExperiment, match="2 unknowns are beyond"):
        read(document, unknowns=1)
    with pytest.raises(InvalidExperiment, match="MiB"):
        read(document, bytes=1000)


def test_the_estimate_of_memory_is_near_the_truth(document):
    """The arrays of a march with tangents, counted while they are made."""
    import tracemalloc

    document["bar"]["cells"], document["time"]["steps"] = 400, 20_000
    e = read(document)
    objective = solver.Objective(e)
    objective.value_and_gradient(objective.parameters.start)
    tracemalloc.start()
    objective = solver.Objective(e)
    objective.value_and_gradient(objective.parameters.start)
    objective.jacobian(objective.parameters.start)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    estimate = estimated_bytes(Document.model_validate(document), 2)
    assert 0.3 * peak < estimate < 4.0 * peak
