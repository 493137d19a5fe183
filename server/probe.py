"""`python -m server.probe`: whether the server of this container is ready; for HEALTHCHECK.

Needs nothing but Python, so that an image needs no curl.
"""

import os
import sys
from urllib.error import HTTPError
from urllib.request import urlopen

PATIENCE = 2  # seconds


def main() -> int:
    """Ask the server on `SERVER_PORT`; return 1 and say why where it is not ready."""
    port = os.environ.get("SERVER_PORT") or "8000"
    try:
        with urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=PATIENCE) as answer:
            print(answer.read().decode())
            return 0
    except HTTPError as error:
        print(error.read().decode())
    except OSError as error:
        print(f"nobody answers on port {port}: {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
