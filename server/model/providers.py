"""ONNX Runtime sessions: on a GPU where it really works, else on the CPU with the reason logged."""

import ctypes
import logging
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path

from server.errors import ModelError
from server.model.onnx_runtime import onnxruntime
from server.model.policy import ENGINES, ProviderPolicy
from server.terminal import one_line

VERSION: str = onnxruntime.__version__

TENSORRT = "TensorrtExecutionProvider"
CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"

DRIVER = "libcuda.so.1"
NEEDED = 13000  # as cuDriverGetVersion counts: CUDA 13.0, which driver 580 brought
NAMES = {TENSORRT: "TensorRT", CUDA: "CUDA", CPU: "the CPU"}
WANTED = {ProviderPolicy.TENSORRT: (TENSORRT, CUDA), ProviderPolicy.CPU: ()}  # others: (CUDA,)
HEAVY = ("Conv", "FusedConv", "QLinearConv", "Gemm", "MatMul")  # the bulk of the work

Provider = str | tuple[str, dict[str, str]]

logger = logging.getLogger(__name__)


class NoGpu(ModelError):  # noqa: N818 - a state of the machine, no fault
    """A provider cannot be used; `reason`, for answers, names no versions and quotes nobody."""

    def __init__(self, reason: str, details: str) -> None:
        super().__init__(f"{reason}: {details}")
        self.reason = reason


def open_session(
    model: bytes,
    *,
    policy: ProviderPolicy = ProviderPolicy.AUTO,
    threads: int = 0,
    graphs: bool = False,
    engines: Path = Path(ENGINES),
) -> tuple[onnxruntime.InferenceSession, str | None]:
    """Return a session of `model`, and why it is not on the provider that was expected, or None.

    Expected is what `policy` asks for, by `auto` CUDA where there is a driver. The reason is short;
    the log has it in full.

    `threads`: of the CPU, for a run; 0: one a core. `graphs`: on CUDA, record each run with a
    `gpu_graph_id` as a CUDA graph and replay it; such a session takes inputs and outputs by binding
    alone (ONNX Runtime, "CUDA Execution Provider"). `engines`: where TensorRT keeps what it builds
    of this model, and of no other: it tells its files apart by the graph, not by the weights
    (ONNX Runtime, issue 6455).

    Raises `ModelError` where CUDA is required and missing.
    """
    whys: dict[str, str] = {}  # in full, and in short
    for provider in WANTED.get(policy, (CUDA,)):
        try:
            session = _gpu_session(model, provider, threads, graphs=graphs, engines=engines)
            break
        except NoGpu as error:
            whys[str(error)] = error.reason
    else:
        if policy is ProviderPolicy.REQUIRE_CUDA:
            why = "; ".join(whys)
            raise ModelError(f"CUDA is required, but {why}; mend that, or set SERVER_PROVIDER=auto")
        provider, session = CPU, _session(model, [CPU], threads)
    if not whys:
        return session, None
    expected = policy is not ProviderPolicy.AUTO or driver_version() is not None
    level = logging.WARNING if expected else logging.INFO
    _log_once(level, f"running on {NAMES[provider]}: {'; '.join(whys)}")
    return session, next(iter(whys.values())) if expected else None


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
    """Raise `NoGpu` where a `driver_version` is none, or older than this code needs."""
    if version is None:
        raise NoGpu("no CUDA driver", f"{DRIVER} is not on this machine")
    if version < NEEDED:
        has = f"{version // 1000}.{version % 1000 // 10}"
        raise NoGpu(
            "the NVIDIA driver is too old", f"it supports CUDA {has}, CUDA 13.0 needs driver 580"
        )


def check_assignment(nodes: Iterable[tuple[str, str]], wanted: str = CUDA) -> None:
    """Raise `NoGpu` where convolutions or products of matrices are not on the `wanted` provider.

    `nodes`: execution provider and operator of each.
    """
    strays = [operator for provider, operator in nodes if provider != wanted and operator in HEAVY]
    if strays:
        kinds = ", ".join(sorted(set(strays)))
        reason = f"parts of this model do not run on {NAMES[wanted]}"
        raise NoGpu(reason, f"{len(strays)} nodes ({kinds})")


def _gpu_session(
    model: bytes, provider: str, threads: int, *, graphs: bool, engines: Path
) -> onnxruntime.InferenceSession:
    """Return a session that really runs on a provider, or raise `NoGpu`.

    `onnxruntime.get_available_providers` is no guide to what will run: it names what was compiled
    in, also on a machine without a GPU.
    """
    name = NAMES[provider]
    check_driver(driver_version())
    if provider not in onnxruntime.get_available_providers():
        raise NoGpu(f"no {name} provider", "this build of onnxruntime has none")
    onnxruntime.preload_dlls()  # finds the CUDA libraries that come as Python wheels
    try:
        if provider == TENSORRT:
            with suppress(ImportError):
                import_module("tensorrt_libs")  # a wheel, whose import loads TensorRT
            engines.mkdir(parents=True, exist_ok=True)
            options = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(engines)}
            chosen: list[Provider] = [(TENSORRT, options), (CUDA, _cuda_options()), CPU]
        else:
            chosen = [(CUDA, _cuda_options(graphs=graphs)), CPU]
        session = _session(model, chosen, threads)
    except Exception as error:  # no device, no memory on it, no libraries
        raise NoGpu(f"{name} did not start", one_line(error)) from None
    if session.get_providers()[0] != provider:
        raise NoGpu(f"{name} did not start", "its libraries did not load")
    assigned = session.get_provider_graph_assignment_info()
    check_assignment(
        ((part.ep_name, node.op_type) for part in assigned for node in part.get_nodes()), provider
    )
    return session


def _cuda_options(*, graphs: bool = False) -> dict[str, str]:
    # HEURISTIC: the default searches all algorithms, again for each new batch size. Without TF32
    # the answers stay within the tolerance that export-onnx proved.
    options = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
    return {**options, "enable_cuda_graph": "1"} if graphs else options


def _session(model: bytes, providers: list[Provider], threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # frees idle cores
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=providers, enable_fallback=0)
    session.disable_fallback()  # never rebuilds itself on the CPU in mid-traffic
    return session
