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
        assert ask.post("/explain", content=photograph()).status_code == 401
        for path in ("/", "/health", "/health/live", "/health/ready", "/metrics"):
            assert ask.get(path).status_code == 200, path
        document = ask.get("/openapi.json", headers={"X-API-Key": "first"}).json()
        assert "401" in document["paths"]["/predict"]["post"]["responses"]
        assert "first" not in (tmp_path / "stderr").read_text()


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
