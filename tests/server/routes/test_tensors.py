"""Tensors that are none are refused with a reason, whatever bytes come."""

import base64
import json
import time
from contextlib import suppress
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from server.routes import tensors

SIDE, MOST = 4, 3
ELEMENTS = MOST * SIDE * SIDE * 3
SHAPE = [1, SIDE, SIDE, 3]
ZEROS = [0] * (SIDE * SIDE * 3)
KNOWN = ("probabilities", "class")


def one(**members: Any) -> dict[str, Any]:
    return {"name": "images", "shape": SHAPE, "datatype": "UINT8", "data": ZEROS, **members}


def binary(size: object, **members: Any) -> dict[str, Any]:
    described = one(parameters={"binary_data_size": size}, **members)
    del described["data"]
    return described


def read(body: bytes, header: str | None = None) -> Any:
    inference = tensors.read_inference(body, header, known=KNOWN, elements=ELEMENTS)
    if inference.tensor.name == "images":
        return tensors.pixels(inference.tensor, side=SIDE, most=MOST)
    return tensors.files(inference.tensor, most=MOST)


def request(*inputs: Any, rest: bytes = b"", **members: Any) -> tuple[bytes, str | None]:
    head = json.dumps({"inputs": list(inputs), **members}).encode()
    return head + rest, str(len(head)) if rest else None


FILE = {"name": "image_bytes", "shape": [1], "datatype": "BYTES"}
BINARY_FILE = {**FILE, "parameters": {"binary_data_size": 9}}
WRONG: dict[str, tuple[str, tuple[bytes, str | None]]] = {
    "no JSON": ("is no JSON", (b"{", None)),
    "no object": ("is no JSON object", (b"[1]", None)),
    "no inputs": ("inputs is missing", (b"{}", None)),
    "inputs are none": ("inputs is 1", (b'{"inputs": 1}', None)),
    "two inputs": ("send one input", request(one(), one())),
    "an input that is none": ("is no JSON object", request(7)),
    "a shape of other sides": ("not UINT8 of the shape [n, 4, 4, 3]",
                               request(one(shape=[1, 4, 4]))),
    "a shape of text": ("an array of sizes", request(one(shape=["1", 4, 4, 3]))),
    "a negative shape": ("an array of sizes", request(one(shape=[-1, 4, 4, 3]))),
    "a shape of bools": ("an array of sizes", request(one(shape=[True, 4, 4, 3]))),
    "another type": ("FP32 of the shape", request(one(datatype="FP32"))),
    "no images": ("0 images; 1 to 3", request(one(shape=[0, 4, 4, 3], data=[]))),
    "too many": ("4 images; 1 to 3", request(one(shape=[4, 4, 4, 3], data=ZEROS))),
    "a huge shape": ("images; 1 to 3", request(one(shape=[2**31 - 1, 4, 4, 3]))),
    "too few numbers": ("47 numbers, the shape", request(one(data=ZEROS[1:]))),
    "fractions": ("whole numbers from 0 to 255", request(one(data=[0.5, *ZEROS[1:]]))),
    "too large": ("whole numbers from 0 to 255", request(one(data=[256, *ZEROS[1:]]))),
    "negative": ("whole numbers from 0 to 255", request(one(data=[-1, *ZEROS[1:]]))),
    "too large for 64 bits": ("from 0 to 255", request(one(data=[2**63, *ZEROS[1:]]))),
    "truths": ("whole numbers from 0 to 255", request(one(data=[True] * 48))),
    "ragged": ("no array of numbers", request(one(data=[[0, 1], [0]]))),
    "text": ("numbers, the shape", request(one(data="abc"))),
    "null": ("numbers, the shape", request(one(data=None))),
    "data of no kind": ("send data, or", request({k: v for k, v in one().items() if k != "data"})),
    "both kinds": ("send data, or", request({**binary(48), "data": ZEROS}, rest=bytes(48))),
    "bytes that nobody announced": ("no binary_data_size", request(one(), rest=b"x")),
    "a size beyond the body": ("binary_data_size is 49", request(binary(49), rest=bytes(48))),
    "a size of less": ("binary_data_size is 47", request(binary(47), rest=bytes(48))),
    "a size of text": ('binary_data_size is "48"', request(binary("48"), rest=bytes(48))),
    "a negative size": ("binary_data_size is -1", request(binary(-1), rest=bytes(48))),
    "too few bytes": ("47 bytes, the shape", request(binary(47), rest=bytes(47))),
    "a header beyond the body": ("the body has 2 bytes", (b"{}", "3")),
    "a header that is none": ("is no number of bytes", (b"{}", "-2")),
    "parameters that are none": ("parameters is 3", request(one(parameters=3))),
    "outputs that are none": ("outputs must be", request(one(), outputs="class")),
    "an output without a name": ("name is missing", request(one(), outputs=[{}])),
    "classification": ("classification extension", request(one(), outputs=[
        {"name": "class", "parameters": {"classification": 2}}])),
    "files of text": ("that is no base64", request({**FILE, "data": ["é"]})),
    "files of numbers": ("array of strings", request({**FILE, "data": [1]})),
    "other files than the shape": ("2 elements, the shape", request({**FILE, "data": ["", ""]})),
    "an element beyond the end": ("longer than", request(BINARY_FILE, rest=b"\6\0\0\0abcde")),
    "a torn length": ("longer than", request(BINARY_FILE, rest=b"\2\0\0\0ab\1\0\0")),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused_with_the_reason(name: str) -> None:
    reason, (body, header) = WRONG[name]
    with pytest.raises(HTTPException) as refusal:
        read(body, header)
    assert refusal.value.status_code == 400
    assert reason in refusal.value.detail
    assert len(refusal.value.detail) < 400


def test_what_is_right_is_read() -> None:
    numbers = np.arange(2 * 48, dtype=np.uint8).reshape(2, SIDE, SIDE, 3)
    shape = list(numbers.shape)
    for body, header in (
        request(one(shape=shape, data=numbers.tolist())),
        request(binary(96, shape=shape), rest=numbers.tobytes()),
    ):
        np.testing.assert_array_equal(read(body, header), numbers)
    assert read(*request({**FILE, "data": [base64.b64encode(b"abc").decode()]})) == [b"abc"]
    assert read(*request(BINARY_FILE, rest=b"\5\0\0\0abcde")) == [b"abcde"]


@pytest.mark.parametrize("piece", [b"[]", b"{}", b"0.5", b"[", b'""'])
def test_json_that_is_made_to_cost_is_refused_before_it_is_read(piece: bytes) -> None:
    body = b'{"inputs":[' + b",".join([piece] * 4_000_000) + b"]}"
    before, started = psutil.Process().memory_info().rss, time.process_time()
    with pytest.raises(HTTPException, match="the limit of 144 numbers"):
        read(body)
    assert time.process_time() - started < 0.5
    assert psutil.Process().memory_info().rss - before < 50e6


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["images", "image_bytes"]) | JSON,
        "shape": st.lists(st.integers(-1, 5), max_size=5) | JSON,
        "datatype": st.sampled_from(["UINT8", "BYTES"]) | JSON,
        "data": JSON,
        "parameters": st.dictionaries(st.sampled_from(["binary_data_size"]), JSON) | JSON,
    },
)


@settings(max_examples=150, deadline=None)
@given(members=MEMBERS, rest=st.binary(max_size=60), header=st.none() | st.text(max_size=4))
def test_whatever_comes_is_read_or_refused(members: Any, rest: bytes, header: str | None) -> None:
    body, length = request({**one(), **members}, rest=rest)
    with suppress(HTTPException):
        read(body, header or length)
