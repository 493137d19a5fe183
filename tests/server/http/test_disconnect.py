"""Clients who leave: in the head, in the body, while they wait, while they are answered."""

import asyncio
import socket
import struct
import time

import pytest
from starlette.requests import Request

from server.http.disconnect import unless_gone
from tests.kit.drawing import photograph
from tests.kit.live import Live

IMAGE = photograph("BMP")
HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(IMAGE)


@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (b"", False),
        (HEAD[:20], False),
        (HEAD, True),
        (HEAD + IMAGE[:1000], True),
        (HEAD + IMAGE, True),
    ],
    ids=["silent", "in the head", "before the body", "in the body", "waiting"],
)
def test_a_client_who_leaves_hurts_nobody(live: Live, sent: bytes, seen: bool, reset: bool) -> None:
    before = len(requests(live))
    url = live.client.base_url
    for _ in range(20):
        one = socket.create_connection((url.host, url.port))
        one.sendall(sent)
        if reset:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()
    end = time.monotonic() + 10
    while seen and len(requests(live)) < before + 20 and time.monotonic() < end:
        time.sleep(0.02)
    assert len(requests(live)) == before + 20 * seen
    assert {line["status"] for line in requests(live)[before:]} <= {200, 499}
    assert not [line for line in live.logged() if line["level"] in ("error", "critical")]
    assert live.client.post("/predict", content=IMAGE).status_code == 200
    assert live.client.get("/health").json()["queue"]["images"] == 0


def test_who_leaves_in_the_moment_of_the_answer_stops_nothing_after_it() -> None:
    async def scenario() -> str:
        loop = asyncio.get_running_loop()
        gone, ready = loop.create_future(), asyncio.Event()
        request = Request({"type": "http", "state": {"gone": gone}})

        def both() -> None:
            ready.set()
            gone.cancel()

        async def work() -> str:
            await ready.wait()
            return "answer"

        loop.call_later(0.01, both)
        answer = await unless_gone(request, work())
        await asyncio.sleep(0.01)
        return answer

    assert asyncio.run(scenario()) == "answer"


def requests(live: Live) -> list[dict[str, object]]:
    """Return the lines that tell of requests to /predict."""
    return [
        line
        for line in live.logged()
        if line["message"] == "request" and line["path"] == "/predict"
    ]
