"""Work on the files of a source on a Dask cluster, where one machine is not enough.

PREPARE_SCHEDULER             the address of a scheduler, tls://host:8786
PREPARE_SCHEDULER_INSECURE    `on` allows tcp:// elsewhere than on this machine

How a stage is run is no parameter, so these are in the environment. Dask moves pickled functions:
whoever reaches its ports runs code. Certificates are configured as Dask has them
(`DASK_DISTRIBUTED__COMM__TLS__CA_FILE` and so on).
"""

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from server.errors import UserError
from server.terminal import one_line
from stages.sources import code_version

if TYPE_CHECKING:
    from distributed import Client, Future

SCHEDULER, INSECURE = "PREPARE_SCHEDULER", "PREPARE_SCHEDULER_INSECURE"
AHEAD = 4  # calls a thread of a worker, so that memory does not grow with the number of images
PATIENCE = 30  # seconds for the scheduler to answer, and for a worker to be there

Result = TypeVar("Result")


def scheduler() -> str:
    """Return the address of the scheduler, empty where all is done on this machine."""
    return os.environ.get(SCHEDULER, "")


def in_cluster(
    function: Callable[..., Result], calls: Iterable[tuple[Any, ...]], *, shared: Any = None
) -> Iterator[Result]:
    """Yield what `function` returns for the arguments of each of `calls`, in their order.

    shared: what all calls have as their first argument, sent to each worker once.
    Raises `UserError` where the scheduler, or a worker, cannot do it.
    """
    with _connected(scheduler()) as client:
        first = () if shared is None else (client.scatter(shared, broadcast=True, hash=False),)
        window = AHEAD * sum(client.nthreads().values())
        waiting: deque[Future] = deque()
        for call in calls:
            waiting.append(
                client.submit(checked, _version(), function, *first, *call, pure=False, retries=2)
            )
            if len(waiting) >= window:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def checked(wanted: str, function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function on a worker, or raise `UserError` where that runs other code.

    All workers were asked when the work began; this one may have come later.
    """
    if wanted != _version():
        from distributed import get_worker

        raise _differs(get_worker().address)
    return function(*arguments)


def check_address(address: str) -> None:
    """Raise `UserError` for an address by which code would travel in clear, or for none."""
    parts = urlsplit(address)
    if parts.scheme not in {"tls", "tcp"} or not parts.hostname or not _port(address):
        raise UserError(f"{SCHEDULER}={address}: no address; say tls://host:8786")
    if parts.scheme == "tcp" and not _is_here(parts.hostname) and not _insecure():
        raise UserError(
            f"{SCHEDULER}={address}: whoever reaches a scheduler by tcp:// runs code there and "
            f"here; use tls:// with certificates, or set {INSECURE}=on in a network of your own"
        )


@contextmanager
def _connected(address: str) -> Iterator["Client"]:
    check_address(address)
    try:
        from distributed import Client
        from distributed.scheduler import KilledWorker
    except ImportError:
        raise UserError(
            f"{SCHEDULER}={address}: needs the extra `cluster`, which is not installed"
        ) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # it logs what it raises
    try:
        with Client(address, timeout=PATIENCE, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=PATIENCE)
            _check_versions(client)
            yield client
            return
    except (UserError, GeneratorExit):
        raise
    except KilledWorker:
        problem = "its workers die at this work, perhaps for want of memory"
    except CancelledError:
        problem = "gone in the middle of the work; run again when it is back"
    except Exception as error:  # of Dask, of ssl, and of what a worker could not unpickle
        problem = one_line(error) or type(error).__name__
    raise UserError(f"{SCHEDULER}={address}: {problem}") from None


def _check_versions(client: "Client") -> None:
    """Raise `UserError` for a worker with other code, which may not even know what it is sent."""
    from cloudpickle import register_pickle_by_value

    register_pickle_by_value(code_version)
    for address, theirs in sorted(client.run(code_version.code_version).items()):
        if theirs != _version():
            raise _differs(address)


@cache
def _version() -> str:
    return code_version.code_version()


def _differs(worker: str) -> UserError:
    return UserError(
        f"the worker {worker} runs another version of the code, or of "
        f"{', '.join(code_version.DECIDES)}; start it from the image that this stage runs in"
    )


def _port(address: str) -> int:
    try:
        return urlsplit(address).port or 0
    except ValueError:
        return 0


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _insecure() -> bool:
    return os.environ.get(INSECURE, "") == "on"
