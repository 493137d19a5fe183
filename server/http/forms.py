"""Images out of a request: the fields of a form, or the raw body."""

from dataclasses import dataclass, field

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import Request

FORM = "multipart/form-data"
MAX_SEGMENTS = 64  # files, and fields that nobody reads


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file of a form; `name` is what the client calls it."""

    name: str
    chunks: list[bytes] = field(default_factory=list)

    @property
    def data(self) -> bytes:
        """The bytes of the file."""
        return b"".join(self.chunks)


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
    files: list[Upload] = []
    try:
        with PushMultipartParser(boundary, max_segment_count=MAX_SEGMENTS) as parser:
            current = None
            async for chunk in request.stream():
                for event in parser.parse(chunk) if chunk else ():
                    if isinstance(event, MultipartSegment):
                        current = None
                        if event.name == name and event.filename is not None:
                            current = Upload(name=event.filename)
                            files.append(current)
                    elif event and current:
                        current.chunks.append(bytes(event))
    except MultipartError as error:
        raise HTTPException(400, f"not a whole form: {error}") from None
    if not files:
        raise HTTPException(400, f"no file in the form field {name!r}; curl -F {name}=@FILE")
    if len(files) > most:
        raise HTTPException(400, f"too many files: {len(files)}, at most {most} are taken")
    return files


def _content_type(request: Request) -> tuple[str, dict[str, str]]:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    return kind.lower(), options
