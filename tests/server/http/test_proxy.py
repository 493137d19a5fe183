"""The server behind a real nginx that shows it under a prefix, which it strips or keeps."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import expect

from tests.kit.browser import browser
from tests.kit.drawing import photograph
from tests.kit.live import Live, serve
from tests.kit.nginx import needs_nginx, nginx

PREFIX = "/cars/v1"
NGINX = """
server {{
    listen {port};
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    location {prefix}/ {{ proxy_pass {server}{rest}; }}
    location = {prefix} {{ proxy_pass {server}{rest}; }}
}}
"""
ROUTES = ("/", "/classes", "/health", "/health/live", "/health/ready", "/metrics", "/openapi.json")


@pytest.fixture(scope="module")
def hidden(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The server that the proxies show."""
    folder = tmp_path_factory.mktemp("hidden")
    with serve(folder, model, ROOT_PATH=PREFIX, TRUSTED_PROXIES="127.0.0.0/8,::1") as live:
        yield live


@pytest.fixture(scope="module", params=["strips", "keeps"])
def shown(
    hidden: Live, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Where the proxy shows it, which strips the prefix or keeps it; with no slash at its end."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    rest = "/" if request.param == "strips" else ""
    text = NGINX.format(port=port, prefix=PREFIX, server=hidden.url.rstrip("/"), rest=rest)
    with nginx(tmp_path_factory.mktemp("proxy") / "nginx", port, text) as address:
        yield address + PREFIX


@needs_nginx
def test_all_is_there_under_the_prefix(shown: str) -> None:
    for path in ROUTES:
        assert httpx2.get(shown + path).status_code == 200, path
    assert httpx2.post(f"{shown}/predict", content=photograph()).status_code == 200
    assert httpx2.get(f"{shown}/openapi.json").json()["servers"] == [{"url": PREFIX}]


@needs_nginx
def test_a_slash_too_many_gets_a_404_that_names_the_path(shown: str) -> None:
    answer = httpx2.post(f"{shown}/predict/", content=b"x", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.headers.get("location")) == (404, None)
    assert answer.json()["detail"] == f"no such path; ask for {PREFIX}/predict"
    assert "evil" not in answer.text + str(answer.headers)


@needs_nginx
@pytest.mark.parametrize("end", ["/", ""])
def test_the_page_asks_under_the_prefix(shown: str, end: str) -> None:
    with browser() as running:
        page = running.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(shown + end)
        image = {"name": "a.png", "mimeType": "image/png", "buffer": photograph()}
        page.locator("input[type=file]").first.set_input_files(image)
        expect(page.locator(".card .class")).to_contain_text("%", timeout=30_000)
        expect(page.get_by_text("Tells apart:")).to_be_visible()
        links = page.locator("a[href]").evaluate_all("all => all.map(link => link.href)")
    assert f"{shown}/predict?top=100" in asked
    assert {url for url in asked if not url.startswith((shown, "data:", "blob:"))} == set()
    assert f"{shown}/health" in links
    assert all(link.startswith(f"{shown}/") for link in links)


@needs_nginx
def test_the_log_has_the_client_that_the_proxy_saw(shown: str, hidden: Live) -> None:
    sent = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7", "X-Request-ID": f"seen-{hash(shown)}"}
    httpx2.get(f"{shown}/health/live", headers=sent)
    [line] = hidden.requests(request_id=sent["X-Request-ID"])
    assert line["client"] == "198.51.100.7", "what is before it the client may have invented"
    assert line["path"] == "/health/live"


def clients(live: Live, *chains: str) -> list[str]:
    """Return whom the log names, for each value of X-Forwarded-For."""
    for chain in chains:
        live.client.get("/health/live", headers={"X-Forwarded-For": chain})
    return [line["client"] for line in live.requests(len(chains))]


def test_nobody_is_believed_unless_it_is_set(model: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        plain = stack.enter_context(serve(tmp_path / "plain", model))
        assert clients(plain, "203.0.113.9") == ["127.0.0.1"]
        other = stack.enter_context(serve(tmp_path / "other", model, TRUSTED_PROXIES="10.0.0.0/8"))
        assert clients(other, "203.0.113.9") == ["127.0.0.1"]
        each = stack.enter_context(serve(tmp_path / "each", model, TRUSTED_PROXIES="*"))
        assert clients(each, "203.0.113.9", "x" * 5000) == ["203.0.113.9", "x" * 45]


def test_ipv4_is_trusted_as_ipv4_where_both_families_are_listened_on(
    model: Path, tmp_path: Path
) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with serve(tmp_path, model, HOST="::", TRUSTED_PROXIES="127.0.0.1") as live:
        address = f"http://127.0.0.1:{live.client.base_url.port}/health/live"
        httpx2.get(address, headers={"X-Forwarded-For": "203.0.113.9"})
        httpx2.get(address)
        seen = [line["client"] for line in live.logged() if line["message"] == "request"]
    assert seen == ["203.0.113.9", "127.0.0.1"]


def test_without_a_proxy_the_path_is_named_too(hidden: Live) -> None:
    for path in (f"{PREFIX}/predict/", "/predict/", "//Predict", f"{PREFIX}//predict"):
        answer = hidden.client.post(hidden.url.rstrip("/") + path, content=b"x")
        assert answer.status_code == 404, path
        assert answer.json()["detail"] == f"no such path; ask for {PREFIX}/predict"
    lost = hidden.client.get("/nowhere/<b>")
    assert lost.json()["detail"] == f"no such path; all are in {PREFIX}/openapi.json"
    assert hidden.client.get(f"{PREFIX}x").status_code == 404
