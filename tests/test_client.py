"""The client and a really started service with keys: sync and async find the same."""

import asyncio
import json

import numpy as np
import pytest

from app.client import AsyncClient, Client, ServerProblem
from app.logs.csv_text import decoded
from app.remote.documents import as_sent
from app.strict_json import NotJson
from solver import InvalidExperiment
from tests.conftest import ROOT, added_key
from tests.test_columns import LOG, logged

EXAMPLE = ROOT / "app" / "examples" / "lecture.json"


@pytest.fixture
def kappafit(guarded):
    with Client(guarded.url, guarded.key) as client:
        yield client


@pytest.fixture
def both(guarded):
    """`both(what)`: what the client gives, and what the asynchronous one."""

    async def awaited(what):
        async with AsyncClient(guarded.url, guarded.key) as client:
            return await what(client)

    def call(what):
        with Client(guarded.url, guarded.key) as client:
            return what(client), asyncio.run(awaited(what))

    return call


def plain(answer):
    """An answer without the time it took."""
    return answer.model_dump(exclude={"provenance": {"seconds"}})


QUESTIONS = {
    "calibrate": ({}, {}),
    "gradient": ({"at": {"a": 2.0}, "hessian": True}, {"at": '{"a": 2.0}', "hessian": True}),
    "simulate": ({"at": {"b": 0.5}, "field": True}, {"at": '{"b": 0.5}', "field": True}),
    "check": ({"at": {"a": 2.0}}, {"at": '{"a": 2.0}'}),
}


@pytest.mark.parametrize("task", QUESTIONS)
def test_both_find_what_a_plain_request_finds(guarded, both, task):
    options, query = QUESTIONS[task]
    mine, awaited = both(lambda client: getattr(client, task)(EXAMPLE, **options))
    headers = {"Authorization": f"Bearer {guarded.key}"}
    there = guarded.post(f"/v1/{task}", EXAMPLE.read_bytes(), params=query, headers=headers).json()
    there["provenance"].pop("seconds")
    assert plain(mine) == plain(awaited)
    assert mine.model_dump(mode="json", exclude={"provenance": {"seconds"}}) == there


@pytest.mark.parametrize("task", QUESTIONS)
def test_what_is_large_is_a_job_and_answered_alike(both, kappafit, document, task):
    document["bar"]["cells"] = document["time"]["steps"] = 400
    options = QUESTIONS[task][0] | ({"field": False} if task == "simulate" else {})
    before = len(list(kappafit.jobs()))
    mine, awaited = both(lambda client: getattr(client, task)(document, **options))
    job = kappafit.submit(task, document, **options)
    assert plain(mine) == plain(awaited) == plain(job.result())
    assert len(list(kappafit.jobs())) == before + 3
    assert job.status == "successful"
    assert job.progress == 100


def test_another_holder_sees_nothing_of_it(guarded, kappafit, document):
    job = kappafit.submit("simulate", document)
    job.result()
    with Client(guarded.url, added_key(guarded, "bert")) as other:
        assert list(other.jobs()) == []
        for id in (job.id, "0" * 32, "../jobs", "?"):
            with pytest.raises(ServerProblem, match="404"):
                other.job(id)


@pytest.mark.parametrize("key", ["kf_wrong", None])
def test_without_a_key_it_says_how_to_get_one(guarded, document, key):
    with Client(guarded.url, key) as client, pytest.raises(ServerProblem) as refused:
        client.calibrate(document)
    assert refused.value.status == 401
    assert "kappafit keys add" in str(refused.value)
    assert refused.value.request_id in str(refused.value)
    assert "kf_wrong" not in str(refused.value)


def test_address_and_key_are_taken_from_the_environment(guarded, document, monkeypatch):
    monkeypatch.setenv("KAPPAFIT_SERVER", guarded.url + "/")
    monkeypatch.setenv("KAPPAFIT_KEY", guarded.key + "\n")
    with Client() as client:
        assert client.gradient(document).objective > 0.0
    monkeypatch.delenv("KAPPAFIT_SERVER")
    for server in (
        None,
        "127.0.0.1:8000",
        "ftp://here",
        "http://",
        "http://x:y",
        "http://a:kf_b@c",
    ):
        with pytest.raises(ValueError, match=r"address|which service") as wrong:
            Client(server)
        assert "kf_b" not in str(wrong.value)
    for key in ("kf_\x00secret", "kf_sécret", "kf_se cret", "kf_\r\nX: secret"):
        with pytest.raises(ValueError, match="copy it once more") as wrong:
            Client(guarded.url, key)
        assert "cret" not in str(wrong.value)


def test_documents_of_all_kinds_are_the_same(kappafit, document, tmp_path):
    arrays = json.loads(EXAMPLE.read_text())
    for sensor in arrays["sensors"]:
        sensor["times"] = np.array(sensor["times"])
        sensor["x"] = np.float64(sensor["x"])
    ways = (document, EXAMPLE, str(EXAMPLE), EXAMPLE.read_bytes(), arrays)
    assert len({kappafit.gradient(way).objective for way in ways}) == 1
    assert as_sent(EXAMPLE) == EXAMPLE.read_bytes()
    document["sensors"][0]["temperatures"][0] = float("nan")
    for wrong in (document, b'{"bar": ', {"bar": object()}):
        with pytest.raises(NotJson):
            kappafit.gradient(wrong)
    with pytest.raises(FileNotFoundError):
        kappafit.gradient(tmp_path / "none.json")


def test_a_log_that_is_named_is_sent_along(kappafit, tmp_path):
    (tmp_path / "T.csv").write_bytes("\ufeff".encode() + LOG.replace("\n", "\r\n").encode())
    named = logged() | {"data": {"file": "T.csv", "units": {}}}
    (tmp_path / "bar.json").write_text(json.dumps(named))
    within = kappafit.gradient(logged())
    assert kappafit.gradient(tmp_path / "bar.json").gradient == within.gradient
    joint = {"experiments": [named, named]}
    (tmp_path / "joint.json").write_text(json.dumps(joint))
    twice = kappafit.gradient(tmp_path / "joint.json")
    assert twice.objective == pytest.approx(2.0 * within.objective)
    other = LOG.replace("20.0", "19.0").encode()
    sent = json.loads(as_sent(named, log=other))
    assert sent["data"] == {"units": {}, "csv": decoded(other)}
    with pytest.raises(InvalidExperiment, match="save it as UTF-8"):
        as_sent(logged(), log="Tür".encode("latin-1"))
