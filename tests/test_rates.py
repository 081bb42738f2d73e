"""How often a holder may ask: counted over a moving window, each for itself."""

import time
import timeit
from contextlib import contextmanager

import pytest
from pydantic import ValidationError

from app.keys import GUESSES
from app.rates import WITH_KEYS, Rates, TooOften, rates_of
from app.settings import Settings
from tests.conftest import Server
from tests.test_logbook import new_key


@contextmanager
def running(**settings):
    server = Server(**settings).wait()
    try:
        yield server
    finally:
        server.stop()


def test_beyond_the_rate_the_answer_is_429():
    with running(rate="3/minute") as server:
        replies = [server.post("/v1/gradient", b"{") for _ in range(5)]
        assert [reply.status_code for reply in replies] == [400, 400, 400, 429, 429]
        refused = replies[-1]
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["ratelimit-limit"] == "3"
        assert refused.headers["ratelimit-remaining"] == "0"
        assert 50 <= int(refused.headers["ratelimit-reset"]) <= 60
        assert refused.headers["retry-after"] == refused.headers["ratelimit-reset"]
        assert "3 per 1 minute" in refused.json()["detail"]
        assert refused.json()["request_id"] == refused.headers["x-request-id"]
        for path in ("/healthz", "/readyz", "/metrics", "/version", "/v1/jobs", "/v1/example"):
            assert server.client.get(path).status_code == 200
        metrics = server.client.get("/metrics").text
        assert 'kappafit_rejected_total{reason="rate"} 2.0' in metrics


def test_each_holder_has_a_rate_of_its_own():
    with running(rate="2/minute", keys="on") as server:
        ones, others = ({"Authorization": f"Bearer {new_key(server, n)}"} for n in ("a", "b"))
        assert [server.post("/v1/check", b"{", headers=ones).status_code for _ in range(3)] == [
            *(400, 400, 429),
        ]
        assert server.post("/v1/check", b"{", headers=others).status_code == 400
        unknown = [server.post("/v1/check", b"{").status_code for _ in range(4)]
        assert unknown == [401] * 4


def test_keys_cannot_be_guessed_without_end():
    with running(keys="on") as server:
        key, other = new_key(server, "a"), new_key(server, "b")

        def ask(key, path="/v1/jobs"):
            return server.client.get(path, headers={"X-API-Key": key})

        assert ask(key).status_code == 200
        most = int(GUESSES.partition("/")[0])
        assert [ask(f"kf_{n}").status_code for n in range(most)] == [401] * most
        refused = ask("kf_one_more")
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert f"unknown keys from one address is {most} per 1 minute" in refused.json()["detail"]
        assert ask(other).status_code == 429  # a good guess is not told from a bad one
        assert ask(key).status_code == 200  # who was known before gets by
        proxied = {"Authorization": "Bearer of-a-proxy", "X-API-Key": key}
        assert server.client.get("/v1/jobs", headers=proxied).status_code == 200
        assert server.client.get("/v1/jobs").status_code == 401  # no key is no guess


def test_the_window_moves():
    rates = Rates("3/second")
    for _ in range(3):
        rates.allow("one")
        time.sleep(0.25)
    with pytest.raises(TooOften):
        rates.allow("one")
    time.sleep(0.3)  # a second after the first
    rates.allow("one")
    with pytest.raises(TooOften) as refused:
        rates.allow("one")
    assert refused.value.headers["Retry-After"] == "1"


def test_without_a_setting_keys_have_a_rate_and_addresses_none():
    assert rates_of(None, keys=False) is None
    assert rates_of("", keys=True) is None
    rates = rates_of(None, keys=True)
    for _ in range(int(WITH_KEYS.partition("/")[0])):
        rates.allow("one")
    with pytest.raises(TooOften):
        rates.allow("one")


@pytest.mark.parametrize("rate", ["often", "10", "10/fortnight"])
def test_a_rate_that_means_nothing_is_refused_at_the_start(rate):
    with pytest.raises(ValidationError, match="rate"):
        Settings(rate=rate)


def test_it_costs_little():
    rates = Rates("1000000/minute")
    best = min(timeit.repeat(lambda: rates.allow("one"), number=300, repeat=5)) / 300
    assert best < 1e-3
