"""Rich documents with one thing in them changed for another: an answer or a refusal, no failure."""

import copy
import json
import random

import pytest

from tests.documents import TRUTH, hot, linear, put, rich, twin

PATHS = ("/v1/calibrate", "/v1/calibrate", "/v1/gradient", "/v1/simulate", "/v1/check")
OTHERS = (
    *(None, True, "x", "", "10 mm", "20 degC", [], {}, [1.0], [[1.0, 2.0], [3.0]], 10**400),
    *(0, -1, 3, 1e300, -1e300, 1e-300, 1e99, -1e60, 1e-60, 1e30, 1e12, 1e-9),
    *({"unknown": "z", "start": 1.0}, {"unknown": "q", "start": [1.0, 2.0]}),
    *({"column": "T_air"}, {"expression": "t"}, {"expression": "x"}, {"expression": "1e99*t"}),
    *({"law": "linear", "of": "u", "a": 1.0, "b": 1e-3}, {"law": "exponential", "of": "u"}, "u"),
    *({"times": [0.0, 1200.0], "values": [300.0, 310.0]}, {"kind": "temperature", "value": 300.0}),
)


def single():
    document = twin(rich(), TRUTH)
    document["fit"] |= {"loss": "huber", "max_iterations": 15}
    return document


def joint():
    first, second = single(), twin(linear(), {"a": 0.8})
    fit = first.pop("fit")
    return {"experiments": [first, second], "fit": fit}


def changing():
    """With matter that changes with temperature."""
    document = twin(hot(), {"C": 4.5e6}, noise=0.5)
    document["fit"]["max_iterations"] = 10
    return document


def places(part, place=()):
    yield place
    for step, item in (
        part.items()
        if isinstance(part, dict)
        else enumerate(part)
        if isinstance(part, list)
        else ()
    ):
        yield from places(item, (*place, step))


def at(part, place):
    for step in place:
        part = part[step]
    return part


def mutated(document, rng):
    """The document with another value somewhere, a number scaled, or a key left out."""
    everywhere = [place for place in places(document) if place]
    few = [p for p in everywhere if isinstance(p[-1], str) or isinstance(at(document, p), dict)]
    place = rng.choice(few if rng.random() < 0.9 else everywhere)
    kind = rng.choice(("other", "other", "copy", "scaled", "scaled", "left out"))
    if kind == "left out" and isinstance(place[-1], str):
        return place, "nothing", put(document, place, ...)
    value = rng.choice(OTHERS)
    if kind == "copy":
        value = copy.deepcopy(at(document, rng.choice(few)))
    if kind == "scaled":
        place = rng.choice([p for p in few if type(at(document, p)) in (int, float)])
        value = at(document, place) * rng.choice((-1.0, 0.5, 2, 10, 1e3, 1e-3, 1e6, 1e-6))
    return place, value, put(document, place, value)


def points_into(pointer, document):
    """Whether a pointer leads into the document; its last step may be what is missing."""
    steps = [s.replace("~1", "/").replace("~0", "~") for s in pointer.split("/")[1:]]
    part = document
    for index, step in enumerate(steps):
        if steps[index - 1 : index] == ["csv"]:
            return isinstance(part, str)  # lines and columns of a log
        if isinstance(part, list) and step.isdigit() and int(step) < len(part):
            part = part[int(step)]
        elif isinstance(part, dict) and step in part:
            part = part[step]
        else:
            return index == len(steps) - 1
    return True


def refuse_constant(text):
    raise AssertionError(f"{text} left the service")


CASES = [(single, 1), (single, 2), (joint, 3), (changing, 4), (changing, 5)]


@pytest.mark.parametrize(("document", "seed"), CASES)
def test_an_answer_or_a_refusal(server, document, seed):
    rng, start = random.Random(seed), document()
    assert server.post("/v1/calibrate", start).status_code == 200
    answered = refused = 0
    for _ in range(110):
        place, value, sent = mutated(start, rng)
        path = rng.choice(PATHS)
        what = f"{path} with {json.dumps(value)[:80]} at {place}"
        reply = server.post(path, sent)
        assert reply.status_code in (200, 422), f"{what}: {reply.status_code} {reply.text[:300]}"
        answer = json.loads(reply.text, parse_constant=refuse_constant)
        if reply.status_code == 200:
            answered += 1
            assert answer.get("objective", 0.0) is not None, what
            continue
        refused += 1
        assert answer["errors"] or "numbers are too far apart" in answer["detail"], what
        for error in answer["errors"]:
            assert points_into(error["pointer"], sent), f"{what}: {error}"
    assert answered > 15
    assert refused > 40


def test_numbers_too_far_apart_are_no_failure(server):
    document = single()
    far = put(document, ("left", "value", "times", 5), 1e300)
    reply = server.post("/v1/calibrate", far)
    assert reply.status_code == 422
    assert "far" in reply.json()["detail"] or reply.json()["errors"]


def test_the_pointers_are_looked_at():
    document = {"a": {"b": [1, {"c": 2}]}, "data": {"csv": "t,T\n"}}
    for pointer in ("#", "#/a", "#/a/b/1/c", "#/a/b/1/missing", "#/data/csv/1/T", "#/new"):
        assert points_into(pointer, document), pointer
    for pointer in ("#/a/x/y", "#/a/b/5/c", "#/a/b/1/c/d/e", "#/data/text/1/T"):
        assert not points_into(pointer, document), pointer
