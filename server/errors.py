"""The exceptions of this code that somebody else handles.

    UserError       a wrong file, value or set-up; the command line prints it and exits with 2
      ImageError    bytes that are no usable image; HTTP 400
        ImageTooLarge   an image over a limit of pixels, scans, bytes or work; HTTP 413
      ModelError    a model file that is missing, foreign or does not fit; stops the start
    Overloaded      more work is under way than can be done in time; HTTP 503
    ClientGone      the client has closed the connection; logged as 499, nginx's number for it

The text of a `UserError` is one line that names the file or value and the cure.
"""


class UserError(Exception):
    """A mistake that its reader can mend."""


class ImageError(UserError):
    """Bytes that cannot be used as an image."""


class ImageTooLarge(ImageError):  # noqa: N818 - a size, no fault
    """An image that would take more memory or work than the limit that the message names."""


class ModelError(UserError):
    """A model file that cannot be used."""


class Overloaded(Exception):  # noqa: N818 - a state of the server, no fault
    """No room for more work; `retry_after`: seconds until there should be some."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("the server is busy")
        self.retry_after = retry_after


class ClientGone(Exception):  # noqa: N818 - nobody's fault
    """Nobody waits for the answer any more."""
