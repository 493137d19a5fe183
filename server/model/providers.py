"""ONNX Runtime sessions: CUDA where it really works, the CPU where it does not, said aloud."""

import ctypes
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass

from server.errors import ModelError
from server.model.policy import ProviderPolicy

# Read at the import: from 1.29 on, ONNX Runtime for Linux reports each model (names and hashes of
# its graph) and the machine to Microsoft, unless told not to. Nobody imports it before this module.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

VERSION: str = onnxruntime.__version__

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"

DRIVER = "libcuda.so.1"
NEEDED = 13000  # as cuDriverGetVersion counts: CUDA 13.0, which driver 580 brought
HEAVY = ("Conv", "FusedConv", "QLinearConv", "Gemm", "MatMul")

Provider = str | tuple[str, dict[str, str]]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A session, the provider that does its work, and why that is not CUDA where it should be."""

    session: onnxruntime.InferenceSession
    provider: str
    fallback: str | None


def open_session(
    model: bytes,
    *,
    policy: ProviderPolicy = ProviderPolicy.AUTO,
    threads: int = 0,
    graphs: bool = False,
) -> Opened:
    """Open `model` as `policy` says, on `threads` threads of the CPU (0: one a core).

    `graphs`: on CUDA, record each run with a `gpu_graph_id` as a CUDA graph and replay it; such a
    session takes inputs and outputs by binding alone (ONNX Runtime, "CUDA Execution Provider").

    `onnxruntime.get_available_providers` is no guide to what will run: it names what was compiled
    in, also on a machine without a GPU. Raises `ModelError` where CUDA is required and missing.
    """
    if policy is ProviderPolicy.CPU:
        return Opened(session=_session(model, [CPU], threads), provider=CPU, fallback=None)
    reason = _no_driver(driver_version()) or _no_build()
    if reason is None:
        session, reason = _on_cuda(model, threads, graphs=graphs)
        if session and reason is None:
            return Opened(session=session, provider=CUDA, fallback=None)
    if policy is ProviderPolicy.REQUIRE_CUDA:
        raise ModelError(f"CUDA is required, but {reason}; mend that, or set SERVER_PROVIDER=auto")
    logger.warning("running on the CPU: %s", reason)
    return Opened(session=_session(model, [CPU], threads), provider=CPU, fallback=reason)


def driver_version() -> int | None:
    """Return the newest CUDA that NVIDIA's driver supports, 13000 for 13.0; None without driver."""
    version = ctypes.c_int(0)
    try:
        ctypes.CDLL(DRIVER).cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return None
    return version.value


def _no_driver(version: int | None) -> str | None:
    if version is None:
        return f"no CUDA driver ({DRIVER}) on this machine"
    if version < NEEDED:
        has = f"{version // 1000}.{version % 1000 // 10}"
        return f"the NVIDIA driver is too old: it supports CUDA {has}, CUDA 13.0 needs driver 580"
    return None


def _no_build() -> str | None:
    found = CUDA in onnxruntime.get_available_providers()
    return None if found else "this build of onnxruntime has no CUDA provider"


def _on_cuda(
    model: bytes, threads: int, *, graphs: bool
) -> tuple[onnxruntime.InferenceSession | None, str | None]:
    """Return a session on CUDA, or what is wrong with it."""
    onnxruntime.preload_dlls()  # finds the CUDA libraries that come as Python wheels
    # HEURISTIC: the default searches all algorithms, again for each new batch size. Without TF32
    # the answers stay within the tolerance that export-onnx proved.
    wishes = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
    if graphs:
        wishes["enable_cuda_graph"] = "1"
    cuda: Provider = (CUDA, wishes)
    try:
        session = _session(model, [cuda, CPU], threads)
    except Exception as error:  # no device, no memory on it
        return None, f"CUDA did not start ({' '.join(str(error).split())})"
    if session.get_providers()[0] != CUDA:
        return None, "CUDA did not start (its libraries did not load)"
    return session, _elsewhere(assignment(session))


def assignment(session: onnxruntime.InferenceSession) -> list[tuple[str, str]]:
    """Return (execution provider, operator) of each node, as ONNX Runtime assigned them."""
    return [
        (part.ep_name, node.op_type)
        for part in session.get_provider_graph_assignment_info()
        for node in part.get_nodes()
    ]


def _elsewhere(nodes: Iterable[tuple[str, str]]) -> str | None:
    """Say which convolutions and products CUDA was not given, the bulk of the work."""
    strays = [operator for provider, operator in nodes if provider != CUDA and operator in HEAVY]
    if not strays:
        return None
    kinds = ", ".join(sorted(set(strays)))
    return f"{len(strays)} nodes ({kinds}) of this model do not run on CUDA"


def _session(model: bytes, providers: list[Provider], threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # frees idle cores
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=providers, enable_fallback=0)
    session.disable_fallback()  # never rebuilds itself on the CPU in mid-traffic
    return session
