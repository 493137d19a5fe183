import re

import pytest

from server.errors import UserError
from server.model.policy import ProviderPolicy
from server.settings import Settings, settings_table, unknown_settings


def test_the_environment_sets_what_it_names_and_leaves_the_rest() -> None:
    read = Settings.read(
        {
            "SERVER_MODEL": "a/b.onnx",
            "SERVER_PORT": "9000",
            "SERVER_PROVIDER": "cpu",
            "SERVER_DEADLINE": "0.5",
            "SERVER_CUDA_GRAPHS": "off",
            "SERVER_API_KEYS": "one, two,",
            "SERVER_REVISION": "",
            "PORT": "1",
        }
    )
    assert read == Settings(
        model="a/b.onnx",
        port=9000,
        provider=ProviderPolicy.CPU,
        deadline=0.5,
        cuda_graphs=False,
        api_keys=("one", "two"),
    )


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("PORT", "eighty", "whole number from 0 to 65,535"),
        ("PORT", "70000", "whole number from 0 to 65,535"),
        ("THREADS", "-1", "whole number"),
        ("QUEUE", "0", "whole number from 1"),
        ("BATCH", "2.5", "whole number"),
        ("DEADLINE", "0", "number of seconds"),
        ("DEADLINE", "nan", "number of seconds"),
        ("DRAIN", "soon", "number of seconds"),
        ("MAX_BODY_BYTES", "20MB", "whole number"),
        ("MAX_PIXELS", "1e9", "whole number"),
        ("MAX_DECODING_BYTES", "15999999", "whole number from 16,000,000"),
        ("PROVIDER", "gpu", "one of auto, cuda, tensorrt, cpu, require-cuda"),
        ("CUDA_GRAPHS", "yes", "one of on, off"),
        ("FALSE_ALARM_RATE", "0.6", "share from 0.001 to 0.5"),
        ("MODEL", "s3://bucket/model.onnx", "path or gs://bucket/object"),
        ("MODEL_SHA256", "abc", "SHA-256 in 64 hexadecimal digits"),
    ],
)
def test_a_bad_value_is_named_with_what_is_wanted(name: str, value: str, wanted: str) -> None:
    with pytest.raises(UserError, match=f"^SERVER_{name}={re.escape(value)}: must be .*{wanted}"):
        Settings.read({f"SERVER_{name}": value})


def test_more_pixels_than_decoding_may_take_memory_for_stop_the_start() -> None:
    with pytest.raises(UserError) as refused:
        Settings.read({"SERVER_MAX_PIXELS": "178000000"})
    assert str(refused.value) == (
        "SERVER_MAX_PIXELS=178000000: a plain picture of so many takes 718,000,000 bytes to "
        "decode, SERVER_MAX_DECODING_BYTES allows 512,000,000; set that higher, or this to at "
        "most 126500000"
    )
    both = {"SERVER_MAX_PIXELS": "178000000", "SERVER_MAX_DECODING_BYTES": "718000000"}
    assert Settings.read(both).max_pixels == 178_000_000


def test_feedback_needs_a_log_to_go_to() -> None:
    with pytest.raises(UserError, match=r"^SERVER_FEEDBACK=on: needs a log to go to"):
        Settings.read({"SERVER_FEEDBACK": "on", "SERVER_PREDICTION_LOG": "off"})
    assert Settings.read({"SERVER_FEEDBACK": "on"}).feedback
    assert not Settings.read({}).feedback


def test_less_memory_for_decoding_lowers_the_default_of_pixels() -> None:
    assert Settings.read({"SERVER_MAX_DECODING_BYTES": "100000000"}).max_pixels == 23_500_000
    assert Settings.read({}).max_pixels == Settings().max_pixels == 64_000_000


@pytest.mark.parametrize("key", ["it's", 'a"b', "a#b", "#s3cret", "a\\b", "a=b;c$d`", '"s3cret"'])
def test_a_key_is_taken_as_it_is_and_never_shown(key: str) -> None:
    settings = Settings.read({"SERVER_API_KEYS": f"{key}, second"})
    assert settings.api_keys == (key, "second")
    assert "second" not in repr(settings)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        *((empty, "unset, or not empty") for empty in ("", ",", " ", " , ,", "\n")),
        *((none, "keys of visible ASCII") for none in ('""', "''", "#", "good,''")),
        *((bad, "keys of visible ASCII") for bad in ("two words", "cl\u00e9", "a\tb", "good,a\nb")),
    ],
)
def test_keys_that_cannot_be_meant_stop_the_start_and_are_not_shown(
    value: str, wanted: str
) -> None:
    with pytest.raises(UserError, match=f"^SERVER_API_KEYS: must be {wanted}") as error:
        Settings.read({"SERVER_API_KEYS": value})
    assert not {"good", "two", "words"} & set(re.findall(r"\w+", str(error.value)))
    assert error.value.__cause__ is None


def test_origins_are_those_that_browsers_send() -> None:
    good = "https://shop.example, http://localhost:3000,http://[::1]:8000,app://local"
    assert len(Settings.read({"SERVER_CORS_ORIGINS": good}).cors_origins) == 4
    assert Settings.read({"SERVER_CORS_ORIGINS": "*"}).cors_origins == ("*",)
    assert Settings.read({"SERVER_CORS_ORIGINS": ""}).cors_origins == ()


@pytest.mark.parametrize(
    ("value", "cure"),
    [
        ("https://shop.example/", "; write https://shop.example"),
        ("https://shop.example/page?a#b", "; write https://shop.example"),
        ("https://user:word@shop.example", "; write https://shop.example"),
        ("https://Shop.example:443", "; write https://shop.example"),
        ("http://[::1]:80/", "; write http://[::1]"),
        ("shop.example", "; not shop.example"),
        ("https://*.shop.example", "; not https://*.shop.example"),
        ("https://shop.example https://other.example", "; not https://shop.example https:"),
        ("https://[", "; not https://["),
        ("null", "; any page in a sandbox sends null"),
        ("*,https://shop.example", "* alone, or none"),
    ],
)
def test_what_no_browser_sends_as_origin_is_refused_with_the_cure(value: str, cure: str) -> None:
    with pytest.raises(UserError, match=f"^SERVER_CORS_ORIGINS=.*{re.escape(cure)}"):
        Settings.read({"SERVER_CORS_ORIGINS": f"https://good.example,{value}"})


@pytest.mark.parametrize(
    ("value", "cure"),
    [
        ("10.0.0.1/8", "; write 10.0.0.0/8"),
        ("nginx", "; not 'nginx'"),
        ("10.0.0.1:80", "; not '10.0.0.1:80'"),
        ("*,10.0.0.1", r"* alone, or none"),
    ],
)
def test_proxies_are_addresses_and_networks(value: str, cure: str) -> None:
    good = Settings.read({"SERVER_TRUSTED_PROXIES": "10.0.0.0/8, ::1"})
    assert good.trusted_proxies == ("10.0.0.0/8", "::1")
    with pytest.raises(UserError, match=f"^SERVER_TRUSTED_PROXIES=.*{re.escape(cure)}"):
        Settings.read({"SERVER_TRUSTED_PROXIES": value})


@pytest.mark.parametrize("value", ["/", "cars", "/cars/", "//cars", "/a//b", "/a/../b", "/%61"])
def test_a_root_path_begins_with_a_slash_and_ends_with_none(value: str) -> None:
    assert Settings.read({"SERVER_ROOT_PATH": "/cars/v1.2"}).root_path == "/cars/v1.2"
    with pytest.raises(UserError, match=f"^SERVER_ROOT_PATH={value}: must be a path such as /cars"):
        Settings.read({"SERVER_ROOT_PATH": value})


def test_a_slip_in_a_name_is_noticed() -> None:
    assert unknown_settings({"SERVER_API_KEY": "x", "SERVER_PORT": "1", "HOME": "/"}) == [
        "SERVER_API_KEY is no setting; SERVER_API_KEYS?"
    ]


def test_the_table_lists_each_setting_with_its_default() -> None:
    lines = {line.split()[0]: line for line in settings_table().splitlines()}
    assert set(lines) == {f"SERVER_{name.upper()}" for name in Settings.__dataclass_fields__}
    assert re.search(r" 20000000 +a longer body gets 413", lines["SERVER_MAX_BODY_BYTES"])
    assert re.search(r" none +keys", lines["SERVER_API_KEYS"])
