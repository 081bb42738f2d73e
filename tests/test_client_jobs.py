"""Jobs as the client holds them, of a really started service: watched, stopped, outlived."""

import asyncio
import json
import os
import subprocess
import sys
import time

import pytest

from app.client import AsyncClient, Client, JobDismissed, JobFailed, ServerProblem
from app.remote import conversations
from tests.conftest import ROOT, Server
from tests.test_client import plain
from tests.test_jobs import long


@pytest.fixture
def kappafit(guarded):
    with Client(guarded.url, guarded.key) as client:
        yield client


def test_a_job_tells_all_its_events(guarded, kappafit, document):
    job = kappafit.submit("calibrate", document)
    events = list(job.events())
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert [e.data["status"] for e in events if e.kind == "status"] == ["running", "successful"]
    steps = [event.data for event in events if event.kind == "iteration"]
    assert steps == [step.model_dump() for step in job.result().history]
    assert job.status == "successful"
    assert list(kappafit.job(job.id).events()) == events

    async def again():
        async with AsyncClient(guarded.url, guarded.key) as client:
            return [event async for event in (await client.job(job.id)).events()]

    assert asyncio.run(again()) == events


def test_items_of_an_ensemble_have_answers_or_problems(guarded, kappafit, document):
    items = [{}, {"bar": {"cells": -1}}, {"fit": {"max_iterations": 1}}]

    async def awaited():
        async with AsyncClient(guarded.url, guarded.key) as client:
            return await (await client.ensemble(document, items)).result(progress=True)

    found = kappafit.ensemble(document, items).result(progress=True)
    assert [item.index for item in found] == [0, 1, 2]
    assert found[0].answer.estimates == kappafit.calibrate(document).estimates
    assert found[1].answer is None
    assert found[1].problem.errors[0].pointer == "#/bar/cells"
    assert found[2].answer.status == "max_iterations"
    for mine, theirs in zip(found, asyncio.run(awaited()), strict=True):
        assert mine.problem == theirs.problem
        assert mine.answer is None or plain(mine.answer) == plain(theirs.answer)
    (checked,) = kappafit.ensemble(document, [{}], task="check", at={"a": 2.0}).result()
    assert checked.answer.certificate.passed
    assert checked.answer.at == {"a": 2.0, "b": 1.0}


def test_a_job_may_be_stopped_and_waited_for_no_longer_than_one_likes(kappafit, document):
    job = kappafit.submit("calibrate", long(document))
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=f"job {job.id} is running, 0 %, after 2"):
        job.wait(timeout=2.0)
    assert 2.0 <= time.monotonic() - began < 4.0
    assert job.refresh().status == "running"
    assert kappafit.job(job.id).cancel().status == "dismissed"
    with pytest.raises(JobDismissed, match=job.id):
        job.result()
    assert job.status == "dismissed"
    assert [j.id for j in kappafit.jobs(status="dismissed", limit=1)] == [job.id]


def test_a_job_that_fails_says_why(kappafit, document):
    document["material"]["diffusivity"] = {"expression": "x"}
    with pytest.raises(ServerProblem) as refused:
        kappafit.submit("calibrate", document)
    assert refused.value.errors[0].pointer.startswith("#/document/material/diffusivity")
    document["material"]["diffusivity"] = {"law": "linear", "of": "u", "a": 1.0, "b": -100.0}
    job = kappafit.submit("simulate", document)
    with pytest.raises(JobFailed, match=f"job {job.id} failed: ") as failed:
        job.result()
    assert failed.value.problem.status == 422
    assert failed.value.job.status == "failed"


def test_jobs_are_listed_over_pages(kappafit, document, monkeypatch):
    monkeypatch.setattr(conversations, "PAGE", 2)
    made = [kappafit.submit("simulate", document).id for _ in range(5)]
    assert [job.id for job in kappafit.jobs(limit=5)] == made[::-1]
    assert [job.id for job in kappafit.jobs(limit=3)] == made[:1:-1]
    everything = [job.id for job in kappafit.jobs()]
    assert everything[:5] == made[::-1]
    assert len(set(everything)) == len(everything)


SCRIPT = """
import sys
from app.client import Client
job = Client(sys.argv[1]).submit("calibrate", sys.argv[2], idempotency_key="mine")
print(job.id, flush=True)
job.wait()
"""


def test_a_client_that_was_killed_finds_its_job_again(guarded, kappafit, document, tmp_path):
    file = tmp_path / "bar.json"
    file.write_text(json.dumps(long(document)))
    ids = []
    for _ in range(2):
        command = [sys.executable, "-c", SCRIPT, guarded.url, file]
        environment = os.environ | {"KAPPAFIT_KEY": guarded.key, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as client:
            ids.append(client.stdout.readline().strip())
            client.kill()
    assert ids[0] == ids[1]
    assert kappafit.submit("calibrate", file, idempotency_key="mine").id == ids[0]
    assert kappafit.submit("calibrate", file).cancel().id != ids[0]
    with pytest.raises(ServerProblem, match="422 The Idempotency-Key is taken"):
        kappafit.submit("check", file, idempotency_key="mine")
    kappafit.job(ids[0]).cancel()


def test_who_waits_outlives_the_service(document, tmp_path):
    document["bar"]["cells"] = document["time"]["steps"] = 400
    items = [{}] * 12
    server = Server(data=tmp_path, job_workers=1).wait()
    try:
        with Client(server.url) as client:
            job, told = client.ensemble(document, items), []
            for event in job.events():
                told.append(event)
                if len(told) == 3:
                    server.process.kill()
                    server.stop()
                    server = Server(data=tmp_path, job_workers=1, port=server.port)
            found = job.result()
        assert [event.kind for event in told].count("status") >= 2
        assert told[-1].data["status"] == "successful"
        assert len({item.answer.objective for item in found}) == 1
        assert [item.index for item in found] == list(range(12))
    finally:
        server.stop()
