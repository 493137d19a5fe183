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
            "SERVER_CUDA_GRAPHS": "on",
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
        cuda_graphs=True,
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
        ("PROVIDER", "gpu", "one of auto, cuda, cpu, require-cuda"),
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
        "SERVER_MAX_PIXELS=178000000: a plain picture of so many takes 712,000,000 bytes to "
        "decode, SERVER_MAX_DECODING_BYTES allows 512,000,000; set that higher, or this to at "
        "most 128000000"
    )
    both = {"SERVER_MAX_PIXELS": "178000000", "SERVER_MAX_DECODING_BYTES": "712000000"}
    assert Settings.read(both).max_pixels == 178_000_000


def test_less_memory_for_decoding_lowers_the_default_of_pixels() -> None:
    assert Settings.read({"SERVER_MAX_DECODING_BYTES": "100000000"}).max_pixels == 25_000_000
    assert Settings.read({}).max_pixels == Settings().max_pixels == 64_000_000


@pytest.mark.parametrize("key", ["it's", 'a"b', "a#b", "a\\b"])
def test_a_key_is_taken_as_it_is_and_never_shown(key: str) -> None:
    settings = Settings.read({"SERVER_API_KEYS": f"{key},second"})
    assert settings.api_keys == (key, "second")
    assert "second" not in repr(settings)


def test_a_slip_in_a_name_is_noticed() -> None:
    assert unknown_settings({"SERVER_API_KEY": "x", "SERVER_PORT": "1", "HOME": "/"}) == [
        "SERVER_API_KEY is no setting; SERVER_API_KEYS?"
    ]


def test_the_table_lists_each_setting_with_its_default() -> None:
    lines = {line.split()[0]: line for line in settings_table().splitlines()}
    assert set(lines) == {f"SERVER_{name.upper()}" for name in Settings.__dataclass_fields__}
    assert re.search(r" 20000000 +a longer body gets 413", lines["SERVER_MAX_BODY_BYTES"])
    assert re.search(r" none +keys", lines["SERVER_API_KEYS"])
