"""Multipart forms: the images out of a request's fields, and what is wrong where there are none."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import Request

FORM = "multipart/form-data"
MAX_SEGMENTS = 64  # files, and fields that nobody reads
NAMED = 5  # fields that a refusal lists, each with so many characters
CHARACTERS = 40
AS_THEY_ARE = ("", "7bit", "8bit", "binary")  # what Content-Transfer-Encoding may say
PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;\s]*)')


class Upload(NamedTuple):
    """A file of a form; `name` is what the client calls it."""

    name: str
    data: bytes


@dataclass
class _Fields:
    """What has come of a form: the files of its fields `name`, and the names of the others."""

    name: str
    files: list[tuple[str, bytearray]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def start(self, part: MultipartSegment) -> bytearray | None:
        """Return where the content of a part goes, None where nobody reads it."""
        name, filename = _decoded(part.name), _filename(part)
        if name != self.name or filename is None:
            self.others.append(name)
            return None
        encoding = part.header("Content-Transfer-Encoding", "").strip().lower()
        if encoding not in AS_THEY_ARE:
            encoding = repr(encoding[:CHARACTERS])
            raise HTTPException(
                400, f"Content-Transfer-Encoding {encoding} is not taken; send the file's bytes"
            )
        self.files.append((filename, bytearray()))
        return self.files[-1][1]

    def missing(self) -> str:
        """Say why there is no file, and how one is sent."""
        cure = f"curl -F {self.name}=@FILE"
        if self.name in self.others:
            return f"the form field {self.name!r} is no file but text; send it as a file, as {cure}"
        names = [repr(name[:CHARACTERS]) for name in dict.fromkeys(self.others)]
        came = ", ".join(names[:NAMED]) + (", ..." if names[NAMED:] else "")
        return f"no file in the form field {self.name!r}, the form has {came or 'none'}; {cure}"


def refuse_encoding(request: Request) -> None:
    """Raise a 415 where the body is compressed."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        detail = f"Content-Encoding {encoding[:CHARACTERS]!r} is not taken; send the body as it is"
        raise HTTPException(415, detail, {"Accept-Encoding": "identity"})


def is_form(request: Request) -> bool:
    """Whether the body is a form that may hold files."""
    return _content_type(request)[0] == FORM


async def read_files(request: Request, name: str, *, most: int) -> list[Upload]:
    """Return the files of the form's fields `name`, one to `most`; raise a 400 otherwise.

    Nothing touches the disk: `BodyLimit` bounds what is kept.
    """
    boundary = _content_type(request)[1].get("boundary")
    if not boundary:
        raise HTTPException(
            400,
            f"{FORM} without a boundary; leave Content-Type to the client: curl -F {name}=@FILE",
        )
    fields = _Fields(name)
    try:
        with PushMultipartParser(
            boundary, max_segment_count=MAX_SEGMENTS, header_charset="latin-1"
        ) as parser:
            current = None
            async for chunk in request.stream():
                for event in parser.parse(chunk) if chunk else ():
                    if isinstance(event, MultipartSegment):
                        current = fields.start(event)
                    elif event and current is not None:
                        current.extend(event)
    except MultipartError as error:
        raise HTTPException(400, f"not a whole form: {error}") from None
    if not fields.files:
        raise HTTPException(400, fields.missing())
    if len(fields.files) > most:
        raise HTTPException(400, f"too many files: {len(fields.files)}, at most {most} are taken")
    return [Upload(name, bytes(data)) for name, data in fields.files]


def _filename(part: MultipartSegment) -> str | None:
    """Return what the client calls a file, None for a field of text; RFC 8187's form goes first."""
    for key, value in PARAMETER.findall(part["Content-Disposition"]):
        if key.lower() == "filename*":
            charset, _, rest = value.strip('"').partition("'")
            encoded = unquote_to_bytes(rest.partition("'")[2].encode("latin-1"))
            latin = charset.lower() == "iso-8859-1"
            return encoded.decode("latin-1") if latin else _decoded(encoded.decode("latin-1"))
    return None if part.filename is None else _decoded(part.filename)


def _decoded(value: str | None) -> str:
    """Return a header's text, read as Latin-1, as the UTF-8 that it is where it is UTF-8."""
    raw = (value or "").encode("latin-1")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _content_type(request: Request) -> tuple[str, dict[str, str]]:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    return kind.lower(), options
