"""A real nginx in a folder of its own."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import pytest

needs_nginx = pytest.mark.skipif(
    not shutil.which("nginx") and "CI" not in os.environ, reason="no nginx: apt install nginx-light"
)

MAIN = """
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/servers.conf;
}}
"""


@contextmanager
def nginx(folder: Path, port: int, servers: str) -> Iterator[str]:
    """Run nginx with these blocks `server`, one of which listens on `port`; yield its address."""
    folder.mkdir()
    (folder / "servers.conf").write_text(servers)
    user = "user root;" if os.geteuid() == 0 else ""  # or its workers cannot enter the folder
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
    process = subprocess.Popen(
        ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"],
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(100):
            assert process.poll() is None, (folder / "error.log").read_text()
            with suppress(httpx2.ConnectError):
                httpx2.get(f"{address}/metrics")
                break
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(10)
