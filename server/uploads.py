"""Images out of a request: the fields of a form, or the raw body."""

from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

MAX_FIELDS = 64  # beside the files; nobody reads them


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file of a form, or the body; `name` is what the client calls it."""

    name: str
    data: bytes


class _Parser(MultiPartParser):
    """Keeps files in memory, whose size `BodyLimit` bounds, and knows whether the form ended."""

    spool_max_size = 2**31
    ended = False

    def on_end(self) -> None:
        self.ended = True


def is_form(request: Request) -> bool:
    """Whether the body is a form that may hold files."""
    kind = request.headers.get("content-type", "").partition(";")[0]
    return kind.strip().lower() == "multipart/form-data"


async def read_files(request: Request, field: str, *, most: int) -> list[Upload]:
    """Return the files of the form's fields `field`, one to `most`; raise a 400 otherwise."""
    parser = _Parser(request.headers, request.stream(), max_files=most, max_fields=MAX_FIELDS)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, error.message) from None
    try:
        if not parser.ended:
            raise HTTPException(400, "the form ends before its closing boundary")
        files = [file for file in form.getlist(field) if isinstance(file, UploadFile)]
        if not files:
            raise HTTPException(400, f"no file in the form field {field!r}; curl -F {field}=@FILE")
        return [Upload(name=file.filename or "", data=await file.read()) for file in files]
    finally:
        await form.close()
