"""Requests that come in one packet: each is answered in its turn, and none is read before it."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise

import psutil
import pytest

from tests.kit.drawing import photograph
from tests.kit.live import Live
from tests.kit.sockets import connected, everything, exchange, statuses

SETTINGS = {"HEADER_TIMEOUT": "1", "KEEP_ALIVE": "1", "BODY_TIMEOUT": "3"}
ALIVE = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
CLASSES = b"GET /classes HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
CHUNKED = b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
MANY = 900


def log_size(live: Live) -> int:
    return (live.folder / "stderr").stat().st_size


def fill(client: socket.socket, request: bytes) -> None:
    """Send until neither side takes any more: nobody reads the answers."""
    client.settimeout(1)
    with pytest.raises(TimeoutError):
        client.sendall(request * 1_000_000)


@pytest.mark.parametrize("fields", [UPGRADE, b""], ids=["upgrade", "plain"])
def test_each_of_900_in_one_packet_gets_its_answer_and_one_line_of_log(
    live: Live, fields: bytes
) -> None:
    before, size = len(live.requests()), log_size(live)
    one = ALIVE.replace(b"\r\n\r\n", b"\r\n" + fields + b"\r\n")
    answers = exchange(live, one * MANY + CLASSES)
    assert statuses(answers) == [200] * (MANY + 1)
    assert answers.count(b'{"status":"ok"}') == MANY
    assert len(live.requests(before + MANY + 1)) == before + MANY + 1
    assert log_size(live) - size < 300 * (MANY + 1)
    assert "Traceback" not in (live.folder / "stderr").read_text()


def test_what_is_pipelined_is_not_held_as_requests(live: Live) -> None:
    """A packet holds some 9,000 of them, each of which would take some kilobytes."""
    server = psutil.Process(live.process.pid)
    one = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    exchange(live, ALIVE + CLASSES)
    before = server.memory_info().rss
    with ExitStack() as stack:
        for _ in range(3):
            fill(stack.enter_context(connected(live)), one)
        assert live.client.get("/health/live").status_code == 200
        assert server.memory_info().rss - before < 15_000_000


def test_who_does_not_read_the_answers_is_cut_off(live: Live) -> None:
    with connected(live) as client:
        fill(client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.settimeout(10)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            client.sendall(bytes(100_000_000))
    assert not [line for line in live.logged() if line["level"] == "error"]


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (b"\x00\x01\r\n\r\n", 400),
        (b"GET /classes HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX-Late", 408),
    ],
    ids=["noise", "no host", "connect", "large", "late"],
)
def test_a_refusal_comes_after_the_answers_that_are_due(
    live: Live, bad: bytes, status: int
) -> None:
    image = photograph()
    good = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(image) + image
    answers = exchange(live, good + ALIVE + bad)
    assert statuses(answers) == [200, 200, status]
    assert answers.index(b'"confidence"') < answers.index(b'{"status":"ok"}')
    assert answers.rstrip().endswith(b"}")
    assert live.lines(status=status)[-1]["message"] == "refused"


def test_what_follows_a_refusal_is_not_answered_and_adds_no_line(live: Live) -> None:
    before, refused = len(live.logged()), len(live.lines(message="refused"))
    assert statuses(exchange(live, b"NOISE\r\n\r\n" * 500 + ALIVE * 500)) == [400]
    live.lines(refused + 1, message="refused")
    assert [line["message"] for line in live.logged()[before:]] == ["refused"]


@pytest.mark.parametrize("connection", [b"close, Upgrade", b"Upgrade, Close", b"close"])
def test_close_beside_upgrade_closes(live: Live, connection: bytes) -> None:
    head = b"GET /classes HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: " + connection
    start = time.perf_counter()
    answers = exchange(live, head + b"\r\n\r\n" + ALIVE)
    assert time.perf_counter() - start < 0.9, "it was closed, and did not idle until its end"
    assert statuses(answers) == [200]
    assert b"\r\nconnection: close\r\n" in answers


def test_a_request_for_an_upgrade_keeps_its_version_and_its_body(live: Live) -> None:
    image = photograph()
    head = b"POST /predict HTTP/1.0\r\n" + UPGRADE + b"Content-Length: %d\r\n\r\n" % len(image)
    answers = exchange(live, head + image)
    assert statuses(answers) == [200]
    assert b"\r\nconnection: close\r\n" in answers


@pytest.mark.parametrize("size", [1, 7, 5000], ids=str)
def test_requests_are_told_apart_wherever_packets_end(live: Live, size: int) -> None:
    image = photograph()
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(part), part)
        for part in (image[at : at + 700] for at in range(0, len(image), 700))
    )
    trailer = b"0\r\nX-Trailer: a\r\n\r\n"
    sent = CHUNKED + chunks + trailer + ALIVE + CHUNKED + chunks + b"0\r\n\r\n" + CLASSES
    with connected(live) as one:
        for at in range(0, len(sent), size):
            one.sendall(sent[at : at + size])
        answers = everything(one)
    assert statuses(answers) == [200] * 4
    kinds = [answers.index(word) for word in (b'"confidence"', b'"status":"ok"', b'"classes"')]
    assert kinds == sorted(kinds)


def test_a_body_that_looks_like_ends_of_bodies_is_one(live: Live) -> None:
    foul = b"0\r\n\r\n" * 2000
    sent = CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(foul), foul) + CLASSES
    assert statuses(exchange(live, sent)) == [400, 200]
    fixed = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(foul) + foul
    assert statuses(exchange(live, fixed + CLASSES)) == [400, 200]


def test_empty_lines_after_a_request_keep_nothing_open(live: Live) -> None:
    for lines in (b"\r", b"\r\n", b"\r\n\r\n"):
        start = time.perf_counter()
        assert statuses(exchange(live, ALIVE + lines)) == [200]
        assert time.perf_counter() - start < 5


@contextmanager
def flood(live: Live, clients: int) -> Iterator[None]:
    """Clients who pipeline without end."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            exchange(live, ALIVE.replace(b"\r\n\r\n", b"\r\n" + UPGRADE + b"\r\n") * 300 + CLASSES)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_others_have_their_turn_between_two_that_are_pipelined(live: Live) -> None:
    """By the order of the log, which is no matter of time."""
    with flood(live, 4):
        time.sleep(0.2)
        for number in range(20):
            headers = {"X-Request-ID": f"polite-{number}"}
            assert live.client.get("/health/live", headers=headers).status_code == 200
    live.requests(request_id="polite-19")
    ids = [line.get("request_id", "") for line in live.logged()]
    places = [number for number, one in enumerate(ids) if one.startswith("polite-")]
    assert len(places) == 20
    gaps = [later - before for before, later in pairwise(places)]
    assert sorted(gaps)[len(gaps) // 2] < 100, json.dumps(gaps)
