"""ONNX Runtime sessions: on CUDA where it really works, else on the CPU with the reason logged."""

import ctypes
import logging
from collections.abc import Iterable
from functools import cache

from server.errors import ModelError
from server.model.onnx_runtime import onnxruntime
from server.model.policy import ProviderPolicy
from server.terminal import one_line

VERSION: str = onnxruntime.__version__

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"

DRIVER = "libcuda.so.1"
NEEDED = 13000  # as cuDriverGetVersion counts: CUDA 13.0, which driver 580 brought
HEAVY = ("Conv", "FusedConv", "QLinearConv", "Gemm", "MatMul")  # the bulk of the work

Provider = str | tuple[str, dict[str, str]]

logger = logging.getLogger(__name__)


class NoCuda(ModelError):  # noqa: N818 - a state of the machine, no fault
    """CUDA cannot be used; `reason` is for answers, so it names no versions and quotes nobody."""

    def __init__(self, reason: str, details: str) -> None:
        super().__init__(f"{reason}: {details}")
        self.reason = reason


def open_session(
    model: bytes,
    *,
    policy: ProviderPolicy = ProviderPolicy.AUTO,
    threads: int = 0,
    graphs: bool = False,
) -> tuple[onnxruntime.InferenceSession, str | None]:
    """Return a session of `model`, and why it is on the CPU where CUDA was to be expected, or None.

    Expected it is where `policy` asks for it, and by `auto` where there is a driver. The reason is
    short; the log has it in full.

    `threads`: of the CPU, for a run; 0: one a core. `graphs`: on CUDA, record each run with a
    `gpu_graph_id` as a CUDA graph and replay it; such a session takes inputs and outputs by binding
    alone (ONNX Runtime, "CUDA Execution Provider").

    Raises `ModelError` where CUDA is required and missing.
    """
    if policy is ProviderPolicy.CPU:
        return _session(model, [CPU], threads), None
    try:
        return _cuda_session(model, threads, graphs=graphs), None
    except NoCuda as error:
        why = error.with_traceback(None)  # which would keep the file's bytes alive
    if policy is ProviderPolicy.REQUIRE_CUDA:
        raise ModelError(f"CUDA is required, but {why}; mend that, or set SERVER_PROVIDER=auto")
    expected = policy is not ProviderPolicy.AUTO or driver_version() is not None
    _log_once(logging.WARNING if expected else logging.INFO, f"running on the CPU: {why}")
    return _session(model, [CPU], threads), why.reason if expected else None


@cache
def _log_once(level: int, message: str) -> None:
    """Log a message at its first time in this process: a stage opens a file again and again."""
    logger.log(level, message)


def driver_version() -> int | None:
    """Return the newest CUDA that NVIDIA's driver supports, 13000 for 13.0; None without driver."""
    version = ctypes.c_int(0)
    try:
        ctypes.CDLL(DRIVER).cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return None
    return version.value or None  # 0: the library's stub, which images are built with


def check_driver(version: int | None) -> None:
    """Raise `NoCuda` where a `driver_version` is none, or older than this code needs."""
    if version is None:
        raise NoCuda("no CUDA driver", f"{DRIVER} is not on this machine")
    if version < NEEDED:
        has = f"{version // 1000}.{version % 1000 // 10}"
        raise NoCuda(
            "the NVIDIA driver is too old", f"it supports CUDA {has}, CUDA 13.0 needs driver 580"
        )


def check_assignment(nodes: Iterable[tuple[str, str]]) -> None:
    """Raise `NoCuda` where convolutions or products of matrices are not on CUDA.

    `nodes`: execution provider and operator of each.
    """
    strays = [operator for provider, operator in nodes if provider != CUDA and operator in HEAVY]
    if strays:
        kinds = ", ".join(sorted(set(strays)))
        raise NoCuda("parts of this model do not run on CUDA", f"{len(strays)} nodes ({kinds})")


def _cuda_session(model: bytes, threads: int, *, graphs: bool) -> onnxruntime.InferenceSession:
    """Return a session that really runs on CUDA, or raise `NoCuda`.

    `onnxruntime.get_available_providers` is no guide to what will run: it names what was compiled
    in, also on a machine without a GPU.
    """
    check_driver(driver_version())
    if CUDA not in onnxruntime.get_available_providers():
        raise NoCuda("no CUDA provider", "this build of onnxruntime has none")
    onnxruntime.preload_dlls()  # finds the CUDA libraries that come as Python wheels
    # HEURISTIC: the default searches all algorithms, again for each new batch size. Without TF32
    # the answers stay within the tolerance that export-onnx proved.
    options = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
    if graphs:
        options["enable_cuda_graph"] = "1"
    try:
        session = _session(model, [(CUDA, options), CPU], threads)
    except Exception as error:  # no device, no memory on it
        raise NoCuda("CUDA did not start", one_line(error)) from None
    if session.get_providers()[0] != CUDA:
        raise NoCuda("CUDA did not start", "its libraries did not load")
    check_assignment(
        (part.ep_name, node.op_type)
        for part in session.get_provider_graph_assignment_info()
        for node in part.get_nodes()
    )
    return session


def _session(model: bytes, providers: list[Provider], threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # frees idle cores
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=providers, enable_fallback=0)
    session.disable_fallback()  # never rebuilds itself on the CPU in mid-traffic
    return session
