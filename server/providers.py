"""ONNX Runtime sessions: CUDA where it really works, the CPU where it does not, said aloud."""

import ctypes
import logging

import onnxruntime

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"

logger = logging.getLogger(__name__)


def open_session(model: bytes) -> onnxruntime.InferenceSession:
    """Open `model` on CUDA, or on the CPU with a warning that says why not.

    The provider in use is `session.get_providers()[0]`. `onnxruntime.get_available_providers`
    is no guide: it names what was compiled in, also on a machine without a GPU.
    """
    if not cuda_driver():
        logger.warning("no CUDA driver (libcuda.so.1) on this machine: running on the CPU")
        return _session(model, [CPU])
    if CUDA not in onnxruntime.get_available_providers():
        logger.warning("this build of onnxruntime has no CUDA provider: running on the CPU")
        return _session(model, [CPU])
    onnxruntime.preload_dlls()  # finds the CUDA libraries that come as Python wheels
    # HEURISTIC: the default searches all algorithms, again for each new batch size. Without TF32
    # the answers stay within the tolerance that export-onnx proved.
    cuda = (CUDA, {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"})
    try:
        session = _session(model, [cuda, CPU])
    except Exception as error:  # a driver that is too old, no device, no memory on it
        logger.warning("CUDA did not start (%s): running on the CPU", error)
        return _session(model, [CPU])
    if session.get_providers()[0] != CUDA:
        logger.warning("CUDA did not start (its libraries did not load): running on the CPU")
    return session


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
