"""Reading an object of Google Cloud Storage, in a process of its own.

gcsfs costs a second, 55 MB and a thread, which a server rarely needs. The process is this module:
`python -m server.storage.google_cloud read gs://BUCKET/OBJECT` writes the object to stdout, with
`generation` instead of `read` the number that Google gives each of its contents.
"""

import base64
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

from server.errors import ModelError
from server.terminal import one_line

SCHEME = "gs://"
PATIENCE = 120  # seconds; gcsfs itself gives up after 40 where nobody answers
ALLOW = (
    "set GOOGLE_APPLICATION_CREDENTIALS, run `gcloud auth application-default login`, or give the "
    "service account the role roles/storage.objectViewer on the bucket"
)


def read(location: str) -> bytes:
    """Return the object at `location`, or raise `ModelError` in one line."""
    return _ask("read", location)


def generation(location: str) -> str:
    """Return the generation of the object at `location`, or raise `ModelError` in one line."""
    return _ask("generation", location).decode()


def _ask(what: str, location: str) -> bytes:
    command = [sys.executable, "-m", "server.storage.google_cloud", what, location]
    try:
        process = subprocess.run(  # noqa: S603 - no shell, and the location is an argument
            command, env=_environment(), capture_output=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"{location}: not here after {PATIENCE} s") from None
    if process.returncode:
        lines = process.stderr.decode(errors="replace").strip().splitlines()
        raise ModelError(lines[-1] if lines else f"{location}: exit code {process.returncode}")
    return process.stdout


def _environment() -> dict[str, str]:
    """Return ours, with a home that has no `.gcs_tokens`: gcsfs would unpickle it at its import."""
    package = str(Path(__file__).parents[2])
    return {
        "CLOUDSDK_CONFIG": str(Path("~/.config/gcloud").expanduser()),
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # asks for more rights than reading needs
        **os.environ,
        "HOME": os.devnull,
        "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
    }


def _fetch(what: str, location: str) -> bytes:
    """Return the generation of the object, or itself, if it is what Google's checksum says."""
    try:
        import gcsfs
        import google_crc32c
    except ImportError:
        raise ModelError(f"{location}: needs the extra `gs`, which is not installed") from None
    try:
        store = gcsfs.GCSFileSystem()
        about = store.info(location)
        if what == "generation":
            return str(about["generation"]).encode()
        promised = about.get("crc32c")
        data: bytes = store.cat_file(location)
    except FileNotFoundError:
        raise ModelError(f"{location}: no such object, or no such bucket") from None
    except Exception as error:  # of gcsfs, aiohttp, requests or google.auth
        reason = one_line(error) or type(error).__name__
        if getattr(error, "code", None) in (401, 403) or reason.startswith("Forbidden"):
            reason = f"not allowed ({reason}); {ALLOW}"
        raise ModelError(f"{location}: {reason}") from None
    crc = base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()
    if crc != promised:
        raise ModelError(f"{location}: its CRC32C is {crc}, Google says {promised}; try again")
    return data


def main() -> None:
    """Write what the command line asks for to stdout, or one line to stderr."""
    logging.disable(logging.CRITICAL)  # gcsfs logs what it raises
    warnings.simplefilter("ignore")
    if sys.argv[1] == "generation":  # which nobody waits for
        os.nice(19)
    try:
        sys.stdout.buffer.write(_fetch(*sys.argv[1:]))
    except ModelError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
