"""ONNX Runtime sessions: CUDA where it really works, the CPU where it does not, said aloud."""

import ctypes
import logging
from dataclasses import dataclass

import onnxruntime

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A session, and why it does not run on CUDA where it does not."""

    session: onnxruntime.InferenceSession
    fallback: str | None

    @property
    def provider(self) -> str:
        """The execution provider that is really in use."""
        return str(self.session.get_providers()[0])


def open_session(model: bytes) -> Opened:
    """Open `model` on CUDA, or on the CPU with a warning that says why.

    `onnxruntime.get_available_providers` is no guide to what will run: it names what was compiled
    in, also on a machine without a GPU.
    """
    if not cuda_driver():
        return _on_cpu(model, "no CUDA driver (libcuda.so.1) on this machine")
    if CUDA not in onnxruntime.get_available_providers():
        return _on_cpu(model, "this build of onnxruntime has no CUDA provider")
    onnxruntime.preload_dlls()  # finds the CUDA libraries that come as Python wheels
    # HEURISTIC: the default searches all algorithms, again for each new batch size. Without TF32
    # the answers stay within the tolerance that export-onnx proved.
    cuda = (CUDA, {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"})
    try:
        session = _session(model, [cuda, CPU])
    except Exception as error:  # a driver that is too old, no device, no memory on it
        return _on_cpu(model, f"CUDA did not start ({error})")
    if session.get_providers()[0] != CUDA:
        return _on_cpu(model, "CUDA did not start (its libraries did not load)")
    return Opened(session=session, fallback=None)


def _on_cpu(model: bytes, reason: str) -> Opened:
    session = _session(model, [CPU])
    logger.warning("running on the CPU: %s", reason)
    return Opened(session=session, fallback=reason)


def cuda_driver() -> bool:
    """Whether NVIDIA's driver library can be loaded."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _session(
    model: bytes, providers: list[str | tuple[str, dict[str, str]]]
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # frees idle cores
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=providers, enable_fallback=0)
    session.disable_fallback()  # never rebuilds itself on the CPU in mid-traffic
    return session
