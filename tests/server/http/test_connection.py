"""How slowly, how large and how badly a request may come, told by raw sockets."""

import json
import socket
import time

import pytest

from tests.kit.drawing import photograph
from tests.kit.live import Live
from tests.kit.sockets import connected, everything

SETTINGS = {
    "CONNECTIONS": "20",
    "MAX_BODY_BYTES": "100000",
    "HEADER_TIMEOUT": "0.4",
    "BODY_TIMEOUT": "0.6",
    "KEEP_ALIVE": "1",
}
HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"


def told(live: Live, *parts: bytes, pause: float = 0.0) -> tuple[int, dict[str, object], float]:
    """Send parts; return the status, the problem and the seconds until the server hung up."""
    start = time.perf_counter()
    with connected(live) as one:
        for part in parts:
            one.sendall(part)
            time.sleep(pause)
        answer = everything(one)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\ncontent-type: application/problem+json" in head.lower()
    return int(head.split()[1]), json.loads(body), time.perf_counter() - start


def drip(one: socket.socket, byte: bytes) -> float:
    """Send a byte every now and then; return the seconds until the server hung up."""
    start = time.perf_counter()
    try:
        while time.perf_counter() - start < 10:
            one.sendall(byte)
            time.sleep(0.05)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return time.perf_counter() - start


def reasons(live: Live, name: str) -> float:
    """Return how often something was refused for this reason."""
    lines = live.client.get("/metrics").text.splitlines()
    found = [line for line in lines if line.startswith(f'http_errors_total{{reason="{name}"}}')]
    return float(found[0].split()[1]) if found else 0.0


def test_half_a_head_gets_408_in_time(live: Live) -> None:
    before = reasons(live, "http")
    status, problem, seconds = told(live, b"POST /predict HTTP/1.1\r\nHost: a\r\nX-A")
    assert (status, problem["title"]) == (408, "Request Timeout")
    assert "no whole head within 0.4 s" in str(problem["detail"])
    assert 0.3 < seconds < 2
    assert reasons(live, "http") == before + 1
    assert live.lines(status=408)


def test_a_head_that_drips_is_not_waited_for(live: Live) -> None:
    with connected(live) as one:
        assert drip(one, b"G") < 3


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
def test_a_connection_without_a_request_is_closed(live: Live, sent: bytes) -> None:
    start = time.perf_counter()
    with connected(live) as one:
        one.sendall(sent)
        assert everything(one)[:12] in (b"", b"HTTP/1.1 408")
    assert time.perf_counter() - start < 2


def test_half_a_body_gets_408_in_time(live: Live) -> None:
    status, problem, seconds = told(live, HEAD, b"\xff" * 500)
    assert (status, problem["status"]) == (408, 408)
    assert "the body did not come within 0.6 s" in str(problem["detail"])
    assert "request_id" in problem
    assert 0.5 < seconds < 3


def test_a_body_that_goes_on_after_its_refusal_is_cut_off(live: Live) -> None:
    with connected(live) as one:
        one.sendall(HEAD.replace(b"/predict", b"/nowhere"))
        assert 1 < drip(one, b"x") < 4


def test_a_head_without_an_end_gets_431(live: Live) -> None:
    long = b"GET /health HTTP/1.1\r\nX-A: "
    assert told(live, long, b"a" * 40_000, pause=0.05)[0] == 431
    assert told(live, long + b"a" * 40_000 + b"\r\n\r\n")[0] == 431
    many = b"".join(b"X-%d: y\r\n" % number for number in range(10_000))
    assert told(live, b"GET /health HTTP/1.1\r\n" + many + b"\r\n")[0] == 431


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a client that speaks TLS
        b"GET /health HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX A: b\r\n\r\n",
        b"\x00" * 100,
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n",
    ],
    ids=range(9),
)
def test_what_is_no_http_gets_400(live: Live, sent: bytes) -> None:
    status, problem, _ = told(live, sent)
    assert status == (405 if sent.startswith(b"CONNECT") else 400), problem
    assert live.client.get("/health/live").status_code == 200


def test_a_chunked_body_over_the_limit_is_refused_before_it_has_come(live: Live) -> None:
    with connected(live) as one:
        one.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = 0
        while sent < 200_000:
            one.sendall(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
            sent += 0x4000
        assert one.recv(100).startswith(b"HTTP/1.1 413")


def test_an_upgrade_that_nobody_offers_is_passed_over(live: Live) -> None:
    """As Java's HTTP client asks for HTTP/2."""
    image = photograph()
    answer = live.client.post(
        "/predict", content=image, headers={"Connection": "Upgrade", "Upgrade": "h2c"}
    )
    assert answer.status_code == 200


def test_an_idle_connection_lives_as_long_as_it_may(live: Live) -> None:
    request = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
    with connected(live) as one:
        for _ in range(3):
            one.sendall(request)
            answer = one.recv(4096)
            while b"}" not in answer:
                answer += one.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200")
            time.sleep(0.5)
        start = time.perf_counter()
        assert everything(one) == b""
        assert time.perf_counter() - start < 2


def test_one_connection_too_many_is_closed_at_once(live: Live) -> None:
    before = reasons(live, "connections")
    crowd = [socket.create_connection((live.client.base_url.host, live.client.base_url.port))]
    try:
        for _ in range(24):
            crowd.append(socket.create_connection(crowd[0].getpeername()))
        assert crowd[-1].recv(10) == b""
    except ConnectionResetError:
        pass
    finally:
        for one in crowd:
            one.close()
    time.sleep(0.1)
    assert reasons(live, "connections") > before


def test_pipelined_requests_are_answered_in_order(live: Live) -> None:
    """The second head comes in one chunk with a body that is larger than a head may be."""
    image = photograph("BMP")
    body = image + bytes(60_000 - len(image))
    first = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + body
    with connected(live) as one:
        one.sendall(first + b"GET /classes HTTP/1.1\r\nHo")
        time.sleep(0.1)
        one.sendall(b"st: a\r\nConnection: close\r\n\r\n")
        answers = everything(one)
    assert answers.count(b"HTTP/1.1 200") == 2
    assert answers.index(b'"confidence"') < answers.index(b'"classes"')
