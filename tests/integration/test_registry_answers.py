"""A registry that is not well, says no, or says nonsense: what is no verdict is waited out, what is one makes dead letters;
and who may ask it.

Method: a registry that answers by a script, to the real worker.
"""

import ssl
import subprocess
import threading

import pytest
from support.events import CURRENCY
from support.registry import confluent, scripted
from support.schemas import (
    JSON_OUTPUTS,
    answer_of,
    customers_of_partitions,
    errors,
    fund,
    know,
    produce,
    reasons,
    scripted_ids,
    scripted_schema,
    usage_schema,
)
from support.wait import wait_until


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([(500, b"oops"), (503, {"error_code": 50003, "message": "forwarding"})], id="server error"),
        pytest.param([(429, b""), (408, b"")], id="too busy"),
        pytest.param([(200, b"<html>log in</html>"), (200, {"schemas": 1}), (200, b"")], id="garbage"),
        pytest.param([(404, b"<html>not here</html>"), (404, {"error_code": 404, "message": "HTTP 404 Not Found"})], id="not the registry's 404"),
        pytest.param([(302, b""), (401, {"error_code": 401, "message": "no"}), (403, b"")], id="refused"),
        pytest.param([(200, b"x" * 1_100_000)], id="too long"),
    ],
)
def test_answers_that_say_nothing_for_sure_are_waited_out(install, answers):
    with scripted_schema(*answers) as (registry, schema_id, schema, path):
        drawdown = install({"registry.url": registry.url} | JSON_OUTPUTS)
        worker = drawdown.worker().start()
        fund(drawdown, "acme")
        produce(drawdown, "acme", 10, schema_id, schema)
        drawdown.wait_for_lag_zero()
        assert drawdown.books.balance("acme", CURRENCY) == 90
        assert registry.count(path) == len(answers) + 1
        metrics = worker.metrics()
        failures = [metrics[f'drawdown_registry_failures_total{{class="{name}"}}'] for name in ("retry", "fatal")]
        assert sum(failures) == len(answers)
    assert reasons(drawdown) == []
    drawdown.audit()


MANY = [{"name": f"a{number}", "subject": "a", "version": number} for number in range(1, 34)]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param({"schema": "x" * 1_100_000}, "registry {name} answers {path} with more than 1048576 bytes", id="too long"),
        pytest.param(
            {"schema": "{}", "references": MANY},
            "registry {name} answers {path} with a schema of no use: it has 33 references, more than 32",
            id="too many references",
        ),
        pytest.param(
            {"schema": "{}", "references": [{"name": "a"}]},
            "registry {name} answers {path} with a schema of no use: a reference has no name, subject or version",
            id="references of no use",
        ),
        pytest.param(
            {"schema": "a\0b"},
            "registry {name} answers {path} with a schema of no use: its schema holds a NUL",
            id="NUL",
        ),
        pytest.param(
            {"schema": "{}", "schemaType": 7},
            "registry {name} answers {path} with a schema of no use: its schemaType is no name",
            id="odd type",
        ),
    ],
)
def test_a_schema_of_no_use_stops_nothing_behind_it(install, answer, why):
    schema_id = next(scripted_ids)
    path = f"/schemas/ids/{schema_id}"
    with scripted({path: [(200, answer)]}) as registry:
        drawdown = install({"registry.url": registry.url} | JSON_OUTPUTS)
        worker = drawdown.worker().start()
        drawdown.client.produce("usage", confluent(schema_id, b"x"), key="acme")
        fund(drawdown, "acme")
        assert reasons(drawdown) == ["unknown_schema"]
        assert registry.count(path) == 1
        why = why.format(name=registry.url.removeprefix("http://"), path=path)
    assert errors(drawdown) == [why]
    assert why in worker.log_text()
    drawdown.audit()


def test_an_answer_that_takes_too_long_is_asked_for_again(install):
    slow = threading.Event()

    def sleep(_handler):
        slow.wait(60)
        return b""

    with scripted_schema((200, sleep)) as (registry, schema_id, schema, path):
        drawdown = install({"registry.url": registry.url, "registry.timeout": "200ms"} | JSON_OUTPUTS)
        drawdown.worker().start()
        fund(drawdown, "acme")
        produce(drawdown, "acme", 10, schema_id, schema)
        drawdown.wait_for_balance("acme", 90)
        assert registry.count(path) == 2
        slow.set()
    drawdown.wait_for_lag_zero()
    drawdown.audit()


def test_a_schema_that_is_never_answered_does_not_hold_up_another(install):
    with scripted_schema((500, b"")) as (registry, bad_id, bad, bad_path):
        registry.script[bad_path] = [(500, b"")]
        good, good_id = usage_schema(), next(scripted_ids)
        registry.script[f"/schemas/ids/{good_id}"] = [answer_of(good)]
        know(good_id, good)
        drawdown = install({"registry.url": registry.url} | JSON_OUTPUTS)
        drawdown.worker().start()
        waiting, other = customers_of_partitions(drawdown, 2)
        drawdown.wait_for_lag_zero()
        produce(drawdown, waiting, 1, bad_id, bad)
        drawdown.client.flush()
        wait_until(lambda: registry.count(bad_path) >= 2, "the question to be repeated")
        produce(drawdown, other, 1, good_id, good)
        drawdown.wait_for_balance(other, 99)
        registry.script[bad_path] = [answer_of(bad)]
        drawdown.wait_for_lag_zero()
    drawdown.audit()


CREDENTIALS = {
    "basic": ({"registry.user": "ann", "registry.password": "s3cret"}, "Basic YW5uOnMzY3JldA=="),
    "bearer": ({"registry.token": "t0ken-s3cret"}, "Bearer t0ken-s3cret"),
    "password file": ({"registry.user": "ann", "registry.password.file": "s3cret\n"}, "Basic YW5uOnMzY3JldA=="),
    "token file": ({"registry.token.file": "t0ken-s3cret"}, "Bearer t0ken-s3cret"),
}


@pytest.mark.parametrize("how", CREDENTIALS)
def test_credentials_go_to_the_registry_and_nowhere_else(install, tmp_path, how):
    options, expected = CREDENTIALS[how]
    options = dict(options)
    for name in [name for name in options if name.endswith(".file")]:
        (tmp_path / "credential").write_text(options[name])
        options[name] = tmp_path / "credential"
    with scripted_schema((401, b"")) as (registry, schema_id, schema, _path):
        drawdown = install({"registry.url": registry.url} | JSON_OUTPUTS | options)
        worker = drawdown.worker().start()
        fund(drawdown, "acme")
        produce(drawdown, "acme", 10, schema_id, schema)
        drawdown.wait_for_balance("acme", 90)
        assert {headers.get("Authorization") for _method, _path, headers in registry.questions} == {expected}
    log = worker.log_text()
    assert "check registry.user and its password, or registry.token, and their rights" in log
    assert "s3cret" not in log
    shown = drawdown.run("config", "check", check=False)
    assert "s3cret" not in shown.stdout + shown.stderr


def test_a_registry_with_a_certificate_of_our_own_is_trusted_by_name_only(install, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "ca.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    schema, schema_id = usage_schema(), next(scripted_ids)
    know(schema_id, schema)
    with scripted({f"/schemas/ids/{schema_id}": [answer_of(schema)]}, tls=tls) as registry:
        drawdown = install({"registry.url": registry.url} | JSON_OUTPUTS)
        worker = drawdown.worker().start()
        fund(drawdown, "acme")
        produce(drawdown, "acme", 10, schema_id, schema)
        drawdown.client.flush()
        wait_until(lambda: "registry.ca.file names the certificates to trust" in worker.log_text(), "the refusal")
        assert registry.questions == []
        worker.kill()
        drawdown.worker("b", {"registry.ca.file": certificate}).start()
        drawdown.wait_for_lag_zero()
    assert drawdown.books.balance("acme", CURRENCY) == 90
    drawdown.audit()
