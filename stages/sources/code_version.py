"""What machines must have in common to come to the same bytes.

It is sent to workers of a cluster as it stands here, so it uses nothing else of this code.
"""

import hashlib
import platform
from importlib import metadata, util
from pathlib import Path

DECIDES = ("numpy", "pi-heif", "pillow", "pyarrow")  # packages that the bytes may depend on
ROOMS = ("server", "stages")


def code_version() -> str:
    """Return a hash of the code that is here, of Python, and of the packages that matter."""
    digest = hashlib.sha256(platform.python_version().encode())
    for package in DECIDES:
        try:
            digest.update(f"{package} {metadata.version(package)}\n".encode())
        except metadata.PackageNotFoundError:
            digest.update(f"no {package}\n".encode())
    for room in ROOMS:
        spec = util.find_spec(room)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            for file in sorted(Path(folder).rglob("*.py")):
                digest.update(f"{room}/{file.relative_to(folder)}\n".encode() + file.read_bytes())
    return digest.hexdigest()
