"""Where the server listens, what it says where it cannot, and how its probe finds it."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from server.errors import UserError
from server.http.sockets import listening_sockets, url
from tests.kit.live import serve
from tests.kit.stage import ROOT

needs_ipv6 = pytest.mark.skipif(
    not socket.has_dualstack_ipv6() or not Path("/proc/net/if_inet6").exists(),
    reason="this machine has no IPv6",
)


def reach(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "ipv4", "ipv6"),
    [
        ("127.0.0.1", True, False),
        ("0.0.0.0", True, False),
        pytest.param("::", True, True, marks=needs_ipv6),
        pytest.param("[::]", True, True, marks=needs_ipv6),
        pytest.param("::1", False, True, marks=needs_ipv6),
        pytest.param("[::1]", False, True, marks=needs_ipv6),
    ],
)
def test_a_host_is_listened_on_by_its_families(host: str, ipv4: bool, ipv6: bool) -> None:
    [one] = listening_sockets(host, 0)
    with one:
        port = one.getsockname()[1]
        assert (reach("127.0.0.1", port), reach("::1", port)) == (ipv4, ipv6)
        assert url(one).endswith(f":{port}")


def test_all_addresses_of_a_name_have_one_port() -> None:
    opened = listening_sockets("localhost", 0)
    assert len({one.getsockname()[1] for one in opened}) == 1
    for one in opened:
        one.close()


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("256.1.1.1", "no such address or name"),
        ("no.such.name.invalid", "no such address or name"),
        ("127.0.0.1:80", "no such address or name"),
        ("http://localhost", "no such address or name"),
        ("a..b", "no such address or name"),
        ("x" * 300, "no such address or name"),
        ("203.0.113.7", "no address of this machine"),
    ],
)
def test_a_host_that_cannot_be_had_is_named(host: str, said: str) -> None:
    with pytest.raises(UserError, match=rf"^SERVER_HOST={host}: {said}; .*0\.0\.0\.0"):
        listening_sockets(host, 0)


def test_a_port_that_is_taken_is_named_also_by_one_that_has_just_begun() -> None:
    [one] = listening_sockets("127.0.0.1", 0)
    with one, pytest.raises(UserError, match=r"^SERVER_PORT=\d+: address already in use; "):
        listening_sockets("127.0.0.1", one.getsockname()[1])


def probe(**environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "server.probe"],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize(
    "host", ["0.0.0.0", *(pytest.param(host, marks=needs_ipv6) for host in ("::", "[::1]"))]
)
def test_the_probe_asks_where_the_server_listens_and_a_hang_up_does_not_end_it(
    model: Path, tmp_path: Path, host: str
) -> None:
    with serve(tmp_path, model, HOST=host, ROOT_PATH="/cars") as live:
        port = str(live.client.base_url.port)
        asked = {"SERVER_HOST": host, "SERVER_PORT": port, "SERVER_ROOT_PATH": "/cars"}
        assert probe(**asked, http_proxy="http://127.0.0.1:1") == (0, '{"status":"ready"}')
        if host == "::":
            for name in ("127.0.0.1", "[::1]"):
                assert httpx2.get(f"http://{name}:{port}/health/live").status_code == 200
        live.process.send_signal(signal.SIGHUP)
        while not any("SIGHUP" in str(line["message"]) for line in live.logged()):
            time.sleep(0.02)
        assert probe(**asked)[0] == 0
        assert live.stop() == 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"SERVER_PORT": "0"}, "SERVER_PORT=0: that may be any"),
        ({"SERVER_PORT": "eighty"}, "SERVER_PORT=eighty: that may be any"),
        ({"SERVER_PORT": "1"}, "nobody answers on port 1 of 127.0.0.1"),
        ({"SERVER_PORT": "1", "SERVER_HOST": "no such host"}, "nobody answers on port 1 of no"),
    ],
)
def test_the_probe_says_why_it_cannot_tell(settings: dict[str, str], said: str) -> None:
    status, words = probe(**settings)
    assert status == 1
    assert words.startswith(said)
