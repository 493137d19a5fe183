"""Heads that RFC 9110 and 9112 forbid or allow: 400, or the right answer; never a fault."""

import json

import pytest

from tests.kit.live import Live
from tests.kit.sockets import connected, everything, exchange, statuses

SETTINGS = {"HEADER_TIMEOUT": "0.5", "BODY_TIMEOUT": "0.5", "KEEP_ALIVE": "1"}
LINE = b"GET /classes HTTP/1.1\r\n"
HOST = b"Host: a\r\n"
POST = b"POST /predict HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
READ = ("/", "/classes", "/health", "/health/live", "/health/ready", "/metrics", "/openapi.json")


def detail(answer: bytes) -> str:
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["detail"])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (b"", "one Host, this one has none"),
        (HOST + HOST, "one Host, this one has 2"),
        (HOST + b"hOsT: b\r\n", "one Host, this one has 2"),
        (b"Host:\r\n", "no name or address"),
        (b"Host: a b\r\n", "no name or address"),
        (b"Host: a, b\r\n", "no name or address"),
        (b"Host: user@a\r\n", "no name or address"),
        (b"Host: a/b\r\n", "no name or address"),
        (b"Host: a:80x\r\n", "no name or address"),
        (b"Host: \xc3\xa9\r\n", "no name or address"),
    ],
)
def test_a_request_has_one_host(live: Live, fields: bytes, said: str) -> None:
    answer = exchange(live, LINE + fields + b"\r\n")
    assert statuses(answer) == [400]
    assert said in detail(answer)


@pytest.mark.parametrize("host", [b"a", b"a.b:80", b"[::1]:8000", b"127.0.0.1", b"my_pod", b"a:"])
def test_a_host_may_be_a_name_or_an_address(live: Live, host: bytes) -> None:
    close = b"Connection: close\r\n\r\n"
    assert statuses(exchange(live, LINE + b"Host: " + host + b"\r\n" + close)) == [200]


def test_http_1_0_needs_no_host_but_takes_no_two(live: Live) -> None:
    line = LINE.replace(b"1.1", b"1.0")
    assert statuses(exchange(live, line + b"\r\n")) == [200]
    assert statuses(exchange(live, line + HOST + HOST + b"\r\n")) == [400]


@pytest.mark.parametrize(
    "sent",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /classes\r\n\r\n",
        b"GET /classes HTTP/0.9\r\nHost: a\r\n\r\n",
        b"GET /classes HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET /classes HTTP/2\r\nHost: a\r\n\r\n",
        b"get /classes HTTP/1.1\r\nHost: a\r\n\r\n",
        LINE + b"Host : a\r\n\r\n",
        LINE + HOST + b"X-A : b\r\n\r\n",
        LINE + HOST + b"X-A: b\r\n c\r\n\r\n",
        LINE + HOST + b"X-A: b\x00c\r\n\r\n",
        LINE + HOST + b": b\r\n\r\n",
        b"GET /classes HTTP/1.1\nHost: a\n\n",
        POST + b"Content-Length: +5\r\n\r\nabcde",
        POST + b"Content-Length: 5, 5\r\n\r\nabcde",
        POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: identity\r\n\r\nabc",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"1\r\na\r\n0\r\nContent-Length: 5\r\n\r\n",
        CHUNKED + b"1\nA\n0\n\n",
        CHUNKED + b"ffffffffffffffffff\r\n",
    ],
    ids=range(23),
)
def test_what_the_rfc_forbids_gets_400(live: Live, sent: bytes) -> None:
    answer = exchange(live, sent)
    assert statuses(answer) == [400]
    assert b"\r\nconnection: close\r\n" in answer
    assert live.client.get("/health/live").status_code == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET http://elsewhere.example/classes HTTP/1.1\r\n", 200),
        (b"OPTIONS * HTTP/1.1\r\n", 404),
        (b"TRACE /classes HTTP/1.1\r\n", 405),
        (b"OPTIONS /predict HTTP/1.1\r\n", 405),
        (b"GET /classes%00 HTTP/1.1\r\n", 404),
        (b"GET /classes%zz HTTP/1.1\r\n", 404),
        (b"GET /%ff%fe HTTP/1.1\r\n", 404),
        (b"GET //elsewhere.example/classes HTTP/1.1\r\n", 404),
    ],
)
def test_odd_targets_get_what_they_name(live: Live, sent: bytes, status: int) -> None:
    answer = exchange(live, sent + HOST + b"Connection: close\r\n\r\n")
    assert statuses(answer) == [status]
    assert b"elsewhere" not in answer


@pytest.mark.parametrize("path", READ)
def test_head_is_answered_as_get_but_for_the_body(live: Live, path: str) -> None:
    sent = b"HEAD %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path.encode()
    answer = exchange(live, sent)
    assert statuses(answer) == [200]
    assert answer.endswith(b"\r\n\r\n")
    assert int(answer.lower().partition(b"\r\ncontent-length: ")[2].split()[0]) > 0


def test_extensions_and_trailers_of_chunks_are_bounded(live: Live) -> None:
    for foul in (b"1;" + b"a" * 2_000_000, b"0\r\n" + b"X-A: b\r\n" * 100_000):
        with connected(live) as one:
            try:
                one.sendall(CHUNKED + foul)
            except (BrokenPipeError, ConnectionResetError):
                continue  # it has hung up already
            assert statuses(everything(one)) in ([400], [])


def test_a_trailer_is_no_header(live: Live) -> None:
    sent = CHUNKED + b"1\r\na\r\n0\r\nX-Request-ID: trailer\r\n\r\n"
    answer = exchange(live, sent + LINE + HOST + b"Connection: close\r\n\r\n")
    assert statuses(answer) == [400, 200]
    assert b"trailer" not in answer


def test_a_client_of_http_1_0_is_not_told_to_continue(live: Live) -> None:
    fields = b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    assert statuses(exchange(live, POST.replace(b"1.1", b"1.0") + fields + b"abc")) == [400]
    assert statuses(exchange(live, POST + fields)) == [100, 408]


def test_none_of_it_was_a_fault(live: Live) -> None:
    assert not [line for line in live.logged() if line["level"] in ("error", "critical")]
