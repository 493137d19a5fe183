"""`python -m server.probe`: whether the server of this container is ready; for HEALTHCHECK.

Needs nothing but Python, so that an image needs no curl.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

PATIENCE = 2  # seconds
LOOPBACK = {"0.0.0.0": ("127.0.0.1",), "::": ("::1", "127.0.0.1")}  # noqa: S104


def main() -> int:
    """Ask the server at `SERVER_HOST` and `SERVER_PORT`; return 1 and say why it is not ready."""
    host = (os.environ.get("SERVER_HOST") or "127.0.0.1").removeprefix("[").removesuffix("]")
    port = os.environ.get("SERVER_PORT") or "8000"
    if not port.isdecimal() or port == "0":
        print(f"SERVER_PORT={port}: that may be any; set the port to listen on")
        return 1
    problem = ""
    for address in LOOPBACK.get(host, (host,)):
        try:
            status, answer = _ask(address, int(port))
        except (OSError, HTTPException, ValueError) as error:
            problem = problem or f"nobody answers on port {port} of {address}: {error}"
        else:
            print(answer)
            return int(status != 200)  # noqa: PLR2004
    print(problem)
    return 1


def _ask(address: str, port: int) -> tuple[int, str]:
    connection = HTTPConnection(address, port, timeout=PATIENCE)
    try:
        connection.request("GET", "/health/ready", headers={"Host": "localhost"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
