"""Multipart forms: the images out of a request's fields."""

from typing import NamedTuple

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import Request

FORM = "multipart/form-data"
MAX_SEGMENTS = 64  # files, and fields that nobody reads


class Upload(NamedTuple):
    """A file of a form; `name` is what the client calls it."""

    name: str
    data: bytes


def is_form(request: Request) -> bool:
    """Whether the body is a form that may hold files."""
    return _content_type(request)[0] == FORM


async def read_files(request: Request, name: str, *, most: int) -> list[Upload]:
    """Return the files of the form's fields `name`, one to `most`; raise a 400 otherwise.

    Nothing touches the disk: `BodyLimit` bounds what is kept.
    """
    boundary = _content_type(request)[1].get("boundary")
    if not boundary:
        raise HTTPException(400, f"{FORM} without a boundary")
    files: list[tuple[str, bytearray]] = []
    try:
        with PushMultipartParser(boundary, max_segment_count=MAX_SEGMENTS) as parser:
            current = None
            async for chunk in request.stream():
                for event in parser.parse(chunk) if chunk else ():
                    if isinstance(event, MultipartSegment):
                        current = None
                        if event.name == name and event.filename is not None:
                            current = bytearray()
                            files.append((event.filename, current))
                    elif event and current is not None:
                        current.extend(event)
    except MultipartError as error:
        raise HTTPException(400, f"not a whole form: {error}") from None
    if not files:
        raise HTTPException(400, f"no file in the form field {name!r}; curl -F {name}=@FILE")
    if len(files) > most:
        raise HTTPException(400, f"too many files: {len(files)}, at most {most} are taken")
    return [Upload(name, bytes(data)) for name, data in files]


def _content_type(request: Request) -> tuple[str, dict[str, str]]:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    return kind.lower(), options
