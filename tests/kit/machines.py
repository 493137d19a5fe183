"""Two machines on this one: network namespaces, each with an address of its own; for root."""

import contextlib
import os
import subprocess
from collections.abc import Iterator


@contextlib.contextmanager
def machines() -> Iterator[list[tuple[str, ...]]]:
    """Two network namespaces with an address each, as prefixes of commands: two machines."""
    names = [f"t{os.getpid()}{end}" for end in "ab"]

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, timeout=10)

    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", names[0], "netns", names[0], "type", "veth",
           "peer", "name", names[1], "netns", names[1])  # fmt: skip
        for number, name in enumerate(names, start=1):
            ip("-n", name, "address", "add", f"10.99.0.{number}/24", "dev", name)
            ip("-n", name, "link", "set", name, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield [("ip", "netns", "exec", name, "env", f"GLOO_SOCKET_IFNAME={name}") for name in names]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, timeout=10)
