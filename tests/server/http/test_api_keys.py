"""Who may ask the server."""

from pathlib import Path

from tests.kit.drawing import photograph
from tests.kit.live import serve


def test_keys_are_asked_for_where_some_are_set(model: Path, tmp_path: Path) -> None:
    with serve(tmp_path, model, API_KEYS="first,second") as live:
        ask = live.client
        refused = ask.post("/predict", content=photograph())
        assert (refused.status_code, refused.json()["status"]) == (401, 401)
        assert refused.headers["www-authenticate"] == "Bearer"
        wrong = ("Bearer third", "Bearer", "Bearer first,second", "Basic first", "Bearer é")
        for sent in wrong:
            header = {"Authorization": sent.encode()}
            assert ask.get("/classes", headers=header).status_code == 401, sent
        for good in ({"Authorization": "bearer second"}, {"X-API-Key": "first"}):
            assert ask.post("/predict", content=photograph(), headers=good).status_code == 200
        for beside in ("Bearer of-a-proxy", "Basic dXNlcjpwYXNz", "Bearer", "\u00e9"):
            both = [("Authorization", beside.encode()), ("X-API-Key", "second")]
            assert ask.get("/classes", headers=both).status_code == 200, beside
        several = [("X-API-Key", "none"), ("X-API-Key", "first"), ("Authorization", "Bearer no")]
        assert ask.get("/classes", headers=several).status_code == 200
        assert ask.get("/classes", headers=several[::2]).status_code == 401
        assert ask.post("/explain", content=photograph()).status_code == 401
        for path in ("/", "/health", "/health/live", "/health/ready", "/metrics"):
            assert ask.get(path).status_code == 200, path
        document = ask.get("/openapi.json", headers={"X-API-Key": "first"}).json()
        assert "401" in document["paths"]["/predict"]["post"]["responses"]
        assert "first" not in (tmp_path / "stderr").read_text()


def test_a_key_is_the_whole_of_what_stands_between_commas(model: Path, tmp_path: Path) -> None:
    keys = ("#s3cret", "abc#long", "a\\b", "it's", "x=y")
    with serve(tmp_path, model, API_KEYS=",".join(keys)) as live:
        for key in keys:
            assert live.client.get("/classes", headers={"X-API-Key": key}).status_code == 200, key
        for wrong in ("", "s3cret", "abc", "ab", "its", "it", "x", "#", ",".join(keys)):
            answer = live.client.get("/classes", headers={"X-API-Key": wrong})
            assert answer.status_code == 401, wrong
        shown = live.client.get("/health").text + str(live.logged())
        assert not [key for key in keys if key in shown]


def test_pages_of_the_named_origins_may_call(model: Path, tmp_path: Path) -> None:
    with serve(tmp_path, model, CORS_ORIGINS="https://shop.example", API_KEYS="k") as live:
        ask = live.client
        asked = {"Access-Control-Request-Method": "POST", "Origin": "https://shop.example"}
        allowed = ask.options("/predict", headers=asked)
        assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
        refused = ask.options("/predict", headers={**asked, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in refused.headers
        answer = ask.get("/health", headers={"Origin": "https://shop.example"})
        assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
