"""The proxy does what it says, or the faults that tests make with it would be none.

Method: a server that echoes; and the real servers, asked over a link and, at the same time, directly.
"""

import socket
import threading
import time

import psycopg
import pytest
from confluent_kafka import KafkaException, Producer
from support.proxy import Proxy
from support.wait import wait_until

SHORT = 0.3  # seconds in which what is cut must not arrive


class Echo:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.received = b""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            while data := client.recv(65536):
                self.received += data
                client.sendall(data)
        except OSError:
            pass
        client.close()


@pytest.fixture(scope="module")
def proxy():
    proxy = Proxy()
    yield proxy
    proxy.close()


@pytest.fixture
def echo():
    echo = Echo()
    yield echo
    echo.listener.close()


@pytest.fixture
def link(proxy, echo):
    return proxy.link(echo.listener.getsockname()[1])


@pytest.fixture
def client(link):
    with socket.create_connection(("127.0.0.1", link.port), timeout=10) as client:
        yield client


def ask(client, data, seconds=10.0):
    """What comes back within that time, at most as much as was sent."""
    client.settimeout(seconds)
    client.sendall(data)
    answer = b""
    try:
        while len(answer) < len(data) and (piece := client.recv(65536)):
            answer += piece
    except TimeoutError:
        pass
    return answer


def test_what_is_whole_passes_everything_on_and_the_end_of_a_connection(link, client):
    data = bytes(range(256)) * 4000
    assert ask(client, data) == data
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
    wait_until(lambda: link.state()["connections"] == 0, "the connection to be over")


@pytest.mark.parametrize("direction", ["up", "down"])
def test_what_is_cut_in_one_direction_arrives_late(link, client, echo, direction):
    link.set(**{direction: "hold"})
    assert ask(client, b"one", SHORT) == b""
    if direction == "up":
        assert echo.received == b""
    else:
        wait_until(lambda: echo.received == b"one", "it to arrive")
    link.heal()
    client.settimeout(10)
    assert client.recv(10) == b"one"


def test_a_delay_delays_both_directions_and_throttles_neither(link, client):
    link.set(delay=0.2)
    for data in (b"x", bytes(500_000)):
        began = time.monotonic()
        assert ask(client, data) == data
        assert 0.4 <= time.monotonic() - began < 2


def test_a_rate_is_kept(link, client):
    link.set(rate=40_000)
    began = time.monotonic()
    assert len(ask(client, bytes(20_000))) == 20_000
    assert 0.4 <= time.monotonic() - began < 3


def test_a_reset_is_one(link, client):
    assert ask(client, b"one") == b"one"
    assert link.reset() == 1
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_half_an_answer_arrives_and_no_more(link, client, echo):
    link.set(half=True)
    client.sendall(b"01234567")
    client.settimeout(10)
    answer = b""
    with pytest.raises(ConnectionResetError):
        while piece := client.recv(8):
            answer += piece
    assert answer in (b"", b"0123"), "a reset may overtake what it follows"
    assert echo.received == b"01234567" and link.caught == 1
    with socket.create_connection(("127.0.0.1", link.port), timeout=10) as other:
        assert ask(other, b"next") == b"next"


def test_new_connections_are_refused_and_those_that_are_open_stay(link, client):
    assert ask(client, b"one") == b"one"
    link.set(refuse=True)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", link.port), timeout=10)
    assert ask(client, b"two") == b"two"
    link.heal()
    socket.create_connection(("127.0.0.1", link.port), timeout=10).close()


def test_the_answer_to_a_commit_of_postgresql_alone_is_held(drawdown, network):
    link = network.postgres["a"]
    url = network.options("a", drawdown)["database.url"]
    with psycopg.connect(url) as connection:
        link.set(hold_answers=["COMMIT"])
        connection.execute("select 1")
        worker = threading.Thread(target=connection.commit)
        worker.start()
        wait_until(lambda: link.caught == 1, "the answer to be held")
        worker.join(SHORT)
        assert worker.is_alive(), "it was answered"
        link.heal()
        worker.join(10)
        assert not worker.is_alive()
        connection.execute("select 1")


def test_the_answer_to_the_end_of_a_transaction_of_kafka_alone_is_held(drawdown, network):
    link = network.kafka["a"]
    address = network.options("a", drawdown)["kafka.bootstrap.servers"]
    producer = Producer({"bootstrap.servers": address, "transactional.id": f"{drawdown.prefix}proxy"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(drawdown.prefix + "outcomes", b"{}", "key")
    link.set(hold_answers=["EndTxn"])
    with pytest.raises(KafkaException) as error:
        producer.commit_transaction(1)
    assert error.value.args[0].retriable()
    assert link.caught == 1
    assert [record.key for record in drawdown.client.read("outcomes")] == ["key"], "the broker has not done it"
    link.heal()
    producer.commit_transaction(30)
