"""Tensors of the Open Inference Protocol, version 2: as requests bring them.

As JSON, or by the binary extension: the header `Inference-Header-Content-Length` says where the
JSON ends, and what tensors hold follows it in their order, numbers in little endian, of bytes each
element after its length in four bytes.
"""

import base64
import binascii
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from starlette.exceptions import HTTPException

from server.image.resize import Pixels

HEADER = "Inference-Header-Content-Length"
NUMBER = re.compile("[0-9]{1,12}")
LENGTH = 4  # bytes that say how long an element is
OVERHEAD = 10_000  # separators of JSON beside those of a tensor
TYPES: dict[type, str] = {list: "array", str: "string", dict: "object"}
SHOWN = 60  # characters of what is wrong


@dataclass(frozen=True)
class Tensor:
    """An input as it was sent; `data` is JSON, or bytes where `binary`."""

    name: str
    shape: list[int]
    datatype: str
    data: Any
    binary: bool


@dataclass(frozen=True)
class Inference:
    """A request. `outputs`: the names that are asked for, and whether each is wanted in binary."""

    id: str | None
    tensor: Tensor
    outputs: dict[str, bool]


def read_inference(
    body: bytes, header: str | None, *, known: Sequence[str], elements: int
) -> Inference:
    """Read a request, or raise a 400 that says what is wrong with it.

    header: the value of `HEADER`, where it was sent
    known: the outputs that there are
    elements: how many numbers a tensor may hold
    """
    if header is not None and not NUMBER.fullmatch(header):
        raise refused(f"{HEADER}: {header[:SHOWN]!r} is no number of bytes")
    end = len(body) if header is None else int(header)
    if end > len(body):
        raise refused(f"{HEADER} is {end:,}, the body has {len(body):,} bytes")
    head, rest = body[:end], memoryview(body)[end:]
    if sum(map(head.count, (b",", b"[", b"{"))) > 2 * elements + OVERHEAD:
        raise refused(f"the JSON holds more than the limit of {elements:,} numbers")
    try:
        request = orjson.loads(head)
    except orjson.JSONDecodeError as error:
        raise refused(f"the request is no JSON: {error}") from None
    inputs = _member(request, "inputs", list)
    if len(inputs) != 1:
        raise refused(f"send one input, images or image_bytes; these are {len(inputs)}")
    tensor = _tensor(inputs[0], rest)
    wanted = request.get("outputs")
    binary = bool(_parameters(request).get("binary_data_output", False))
    return Inference(
        id=_member(request, "id", str, None),
        tensor=tensor,
        outputs=dict(_outputs(wanted, binary=binary)) if wanted else dict.fromkeys(known, binary),
    )


def pixels(tensor: Tensor, *, side: int, most: int) -> Pixels:
    """Return the images `[n, side, side, 3]` of a tensor, or raise a 400."""
    _check(tensor, "UINT8", [side, side, 3], most)
    size = math.prod(tensor.shape)
    if tensor.binary:
        if len(tensor.data) != size:
            shape = f"the shape {tensor.shape} asks for {size:,}"
            raise refused(f"input {tensor.name}: {len(tensor.data):,} bytes, {shape}")
        return np.frombuffer(tensor.data, np.uint8).reshape(tensor.shape)
    try:
        numbers = np.array(tensor.data)
    except ValueError:
        raise refused(f"input {tensor.name}: its data is no array of numbers") from None
    if numbers.size != size:
        shape = f"the shape {tensor.shape} asks for {size:,}"
        raise refused(f"input {tensor.name}: {numbers.size:,} numbers, {shape}")
    if numbers.dtype != np.int64 or numbers.min() < 0 or numbers.max() > 255:  # noqa: PLR2004
        raise refused(f"input {tensor.name}: its data must be whole numbers from 0 to 255")
    return numbers.astype(np.uint8).reshape(tensor.shape)


def files(tensor: Tensor, *, most: int) -> list[bytes]:
    """Return the elements `[n]` of a tensor of bytes, or raise a 400; in JSON they are base64."""
    _check(tensor, "BYTES", [], most)
    elements = list(_split(tensor)) if tensor.binary else _decoded(tensor)
    if len(elements) != tensor.shape[0]:
        shape = f"the shape {tensor.shape} asks for {tensor.shape[0]}"
        raise refused(f"input {tensor.name}: {len(elements)} elements, {shape}")
    return elements


def refused(detail: str) -> HTTPException:
    """Return a 400."""
    return HTTPException(400, detail)


def _member(node: Any, name: str, kind: type, *default: Any) -> Any:
    """Return a member of a JSON object, of one type, or raise a 400."""
    if not isinstance(node, dict):
        raise refused(f"{_shown(node)} is no JSON object")
    value = node.get(name, *default)
    if isinstance(value, kind) or (default and value is default[0]):
        return value
    problem = f"is {_shown(value)}" if name in node else "is missing"
    raise refused(f"{name} {problem}; it must be of the type {TYPES[kind]}")


def _parameters(node: Any) -> dict[str, Any]:
    parameters: dict[str, Any] = _member(node, "parameters", dict, {})
    return parameters


def _tensor(node: Any, rest: memoryview) -> Tensor:
    name = _member(node, "name", str)
    shape = _member(node, "shape", list)
    if not all(type(size) is int and 0 <= size < 2**31 for size in shape):
        raise refused(f"input {name[:SHOWN]}: its shape must be an array of sizes")
    size, said = _parameters(node).get("binary_data_size"), "data" in node
    if size is None and len(rest):
        raise refused(f"{len(rest):,} bytes follow the JSON, and no binary_data_size tells of them")
    if size is not None and (type(size) is not int or size != len(rest)):
        raise refused(
            f"input {name[:SHOWN]}: binary_data_size is {_shown(size)}, "
            f"{len(rest):,} bytes follow the JSON"
        )
    if said == (size is not None):
        raise refused(f"input {name[:SHOWN]}: send data, or binary_data_size and bytes")
    return Tensor(
        name=name,
        shape=shape,
        datatype=_member(node, "datatype", str),
        data=node["data"] if said else rest,
        binary=not said,
    )


def _outputs(wanted: Any, *, binary: bool) -> Iterator[tuple[str, bool]]:
    if not isinstance(wanted, list):
        raise refused("outputs must be of the type array")
    for one in wanted:
        parameters = _parameters(one)
        if "classification" in parameters:
            raise refused("the classification extension is not there; ask for class")
        yield _member(one, "name", str), bool(parameters.get("binary_data", binary))


def _check(tensor: Tensor, datatype: str, image: list[int], most: int) -> None:
    """Raise a 400 where a tensor is not `[n, *image]` of `datatype`, n from 1 to `most`."""
    wanted = f"{datatype} of the shape {['n', *image]}".replace("'", "")
    if tensor.datatype != datatype or tensor.shape[1:] != image or not tensor.shape:
        what = f"{tensor.datatype[:SHOWN]} of the shape {tensor.shape}"[: 3 * SHOWN]
        raise refused(f"input {tensor.name}: {what}, not {wanted}")
    if not 1 <= tensor.shape[0] <= most:
        raise refused(f"input {tensor.name}: {tensor.shape[0]:,} images; 1 to {most} are taken")


def _split(tensor: Tensor) -> Iterator[bytes]:
    data, at = tensor.data, 0
    while at < len(data):
        start = at + LENGTH
        at = start + int.from_bytes(data[at:start], "little")
        if at > len(data) or start > len(data):
            raise refused(f"input {tensor.name}: an element is longer than what is left of it")
        yield bytes(data[start:at])


def _decoded(tensor: Tensor) -> list[bytes]:
    if not isinstance(tensor.data, list) or not all(isinstance(one, str) for one in tensor.data):
        raise refused(f"input {tensor.name}: its data must be an array of strings, in base64")
    try:
        return [base64.b64decode(one, validate=True) for one in tensor.data]
    except (binascii.Error, ValueError):
        raise refused(f"input {tensor.name}: a string that is no base64") from None


def _shown(value: Any) -> str:
    return orjson.dumps(value, default=repr).decode()[:SHOWN]
