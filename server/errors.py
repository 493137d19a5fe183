"""What can go wrong that somebody outside can mend.

    UserError           a wrong file, value or set-up; the command line prints it and exits with 2
      ImageError        bytes that are no usable image; HTTP 400
      ModelError        a model file that is missing, foreign or does not fit; stops the start

The text of each is one line that names the file or value and the cure.
"""


class UserError(Exception):
    """A mistake that its reader can mend."""


class ImageError(UserError):
    """Bytes that cannot be used as an image."""


class ModelError(UserError):
    """A model file that cannot be used."""
