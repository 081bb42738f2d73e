"""Keys: how they are sent, kept, remembered and revoked, over HTTP and on the command line."""

import base64
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from app import failures
from app import keys as module
from app.jobs.keyring import NameTaken, hash_of
from app.jobs.store import Store
from app.keys import Holder, Keys, are_needed
from app.serve import listen
from app.settings import Settings
from tests.conftest import ROOT


@contextmanager
def service(keys):
    """A service that says who asks."""
    app = FastAPI()
    app.state.keys = keys
    failures.install(app)

    @app.get("/whoami")
    async def whoami(holder: Holder):
        return holder

    listener = listen("127.0.0.1", 0)
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
        yield client
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def asked(store):
    with service(Keys(store)) as client:
        yield client


def basic(secret, user="any"):
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{secret}'.encode()).decode()}"}


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def who(client, headers):
    answer = client.get("/whoami", headers=headers)
    return answer.json() if answer.status_code == 200 else answer.status_code


def test_only_a_hash_is_kept(store, store_url):
    secret = store.add_key("anna")
    assert re.fullmatch(r"kf_[A-Za-z0-9_-]{43}", secret)
    (key,) = store.keys()
    assert (key.name, key.hint, key.revoked) == ("anna", secret[:6], None)
    assert store.holder_of(hash_of(secret)) == key
    assert store.holder_of(hash_of(secret + "x")) is store.holder_of(secret) is None
    if store_url.startswith("sqlite"):
        file = store_url.removeprefix("sqlite:///")
        assert secret[10:].encode() not in b"".join(read(file + end) for end in ("", "-wal"))


def read(file):
    with open(file, "rb") as content:
        return content.read()


def test_a_name_is_free_again_when_its_key_is_revoked(store):
    first = store.add_key("anna")
    with pytest.raises(NameTaken, match="a key named anna already"):
        store.add_key("anna")
    assert store.revoke_key("anna")
    assert not store.revoke_key("anna")
    second = store.add_key("anna")
    assert store.holder_of(hash_of(first)) is None
    assert store.holder_of(hash_of(second)) == store.keys()[1]
    assert [key.revoked is None for key in store.keys()] == [False, True]


def test_a_key_is_read_from_three_headers(store, asked):
    secret = store.add_key("anna")
    anna = store.keys()[0].id
    for headers in (bearer(secret), {"X-API-Key": secret}, basic(secret), basic(secret, user="")):
        assert who(asked, headers) == anna
    assert who(asked, bearer("of a proxy") | {"X-API-Key": secret}) == anna


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("kf_unknown"),
        {"Authorization": "Bearer"},
        basic("kf_unknown"),
        {"Authorization": "Basic ***"},
        {"Authorization": "Bearer " + "x" * 10_000},
        {"Authorization": b"Bearer \xff\xfe"},
        {"X-API-Key": "' OR 1=1 --"},
        {"X-API-Key": hash_of("")},
    ],
)
def test_without_a_known_key_the_answer_is_401(store, asked, headers):
    store.add_key("anna")
    answer = asked.get("/whoami", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Basic" in answer.headers["www-authenticate"]
    assert "x" * 50 not in answer.text


def test_a_key_in_the_address_is_not_read(store, asked):
    secret = store.add_key("anna")
    assert asked.get("/whoami", params={"X-API-Key": secret, "key": secret}).status_code == 401


def test_where_keys_are_off_all_are_one():
    with service(None) as client:
        assert who(client, {}) == who(client, bearer("anything")) == ""


def test_the_contract_names_the_three_ways(asked):
    contract = asked.get("/openapi.json").json()
    schemes = contract["components"]["securitySchemes"]
    assert {(s["type"], s.get("scheme") or s.get("name")) for s in schemes.values()} == {
        ("http", "bearer"),
        ("http", "basic"),
        ("apiKey", "X-API-Key"),
    }
    assert len(contract["paths"]["/whoami"]["get"]["security"]) == 3


def test_a_revoked_key_ends_within_what_is_remembered(store, asked, monkeypatch):
    assert module.REMEMBERED <= 5.0
    monkeypatch.setattr(module, "REMEMBERED", 0.3)
    secret = store.add_key("anna")
    holder = who(asked, bearer(secret))
    store.revoke_key("anna")
    assert who(asked, bearer(secret)) == holder
    time.sleep(0.35)
    assert who(asked, bearer(secret)) == 401


def test_known_holders_get_by_while_the_store_is_away(postgres, monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED", 0.01)
    url = postgres.new_database()
    with closing(Store.open(url, keep_seconds=60.0)) as store:
        known, unseen = store.add_key("anna"), store.add_key("bert")
        with service(Keys(store)) as client:
            holder = who(client, bearer(known))
            postgres.kill()
            try:
                time.sleep(0.02)
                assert who(client, bearer(known)) == holder
                answer = client.get("/whoami", headers=bearer(unseen))
            finally:
                postgres.start()
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "5"
            assert "does not answer" in answer.json()["detail"]
            assert who(client, bearer(unseen)) == store.keys()[1].id


@pytest.mark.parametrize(
    ("host", "needed"),
    [
        *(("127.0.0.1", False), ("127.8.8.8", False), ("::1", False), ("[::1]", False)),
        *(("localhost", False), ("0.0.0.0", True), ("::", True), ("", True)),
        *(("192.168.1.5", True), ("bar.example", True), ("localhost.example", True)),
    ],
)
def test_keys_are_needed_off_loopback(host, needed):
    assert are_needed("auto", host) is needed
    assert are_needed("on", host)
    assert not are_needed("off", host)


def kappafit(*arguments, **settings):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KAPPAFIT_DATA")}
    environment |= {f"KAPPAFIT_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "app", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )


def test_keys_on_the_command_line_beside_a_running_service(tmp_path):
    url = Settings(data=tmp_path / "data", database_url=None).store_url
    with closing(Store.open(url, keep_seconds=60.0)) as store:
        store.own()
        secret = kappafit("keys", "add", "anna", data=tmp_path / "data").stdout.strip()
        assert store.holder_of(hash_of(secret)).name == "anna"
        again = kappafit("keys", "add", "anna", data=tmp_path / "data")
        assert (again.returncode, "already" in again.stderr) == (2, True)
        listed = kappafit("keys", "list", data=tmp_path / "data").stdout
        assert secret[:6] in listed
        assert secret not in listed
        assert kappafit("keys", "revoke", "anna", data=tmp_path / "data").returncode == 0
        assert kappafit("keys", "revoke", "anna", data=tmp_path / "data").returncode == 2
        assert store.holder_of(hash_of(secret)) is None


def test_a_store_that_is_refused_is_one_line(tmp_path):
    (tmp_path / "jobs.sqlite").write_bytes(b"")
    refused = kappafit("keys", "list", data=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"kappafit: job store {tmp_path / 'jobs.sqlite'}: ")
    assert refused.stderr.count("\n") == 1
    assert kappafit("keys", "add", "no spaces", data=tmp_path).returncode == 2


def test_settings_are_printed_without_passwords(tmp_path):
    url = "postgresql://anna:geheim@db.example/jobs?sslpassword=geheim"
    shown = kappafit("settings", database_url=url, data=tmp_path, result_days=3)
    lines = dict(line.split("=", 1) for line in shown.stdout.splitlines())
    assert set(lines) == {f"KAPPAFIT_{name.upper()}" for name in Settings.model_fields}
    assert lines["KAPPAFIT_DATA"] == str(tmp_path)
    assert lines["KAPPAFIT_RESULT_DAYS"] == "3.0"
    assert lines["KAPPAFIT_DATABASE_URL"].startswith("postgresql://anna:***@db.example/jobs")
    assert "geheim" not in shown.stdout + shown.stderr
    wrong = kappafit("settings", workers="many")
    assert wrong.returncode == 2
    assert "KAPPAFIT_WORKERS" in wrong.stderr
