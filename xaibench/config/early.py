"""What can be refused before torch is loaded, which takes seconds: names, folders, CUDA devices."""

from __future__ import annotations

import ctypes
import re
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from xaibench.config.names import check_beside, check_names, expand
from xaibench.config.run import RunConfig
from xaibench.config.specs import parse
from xaibench.errors import UsageError, XaibenchError
from xaibench.registry import entries
from xaibench.registry.files import FILE

_CUDA = re.compile(r"cuda(?::(\d+))?")
_LIBRARIES = {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}


def check_early(config: RunConfig) -> None:
    """Refuse what a configuration asks for in vain, as far as that shows without torch.

    Raises UsageError for an unknown method or metric and for boxes that are not given,
    XaibenchError for a folder, CUDA device or package that is not there.
    """
    found = _CUDA.fullmatch(config.device)
    count = cuda_devices() if found else None
    if found and count is not None and int(found[1] or 0) >= count:
        raise XaibenchError(
            f"device '{config.device}': {count} CUDA devices here; use --device cpu."
        )
    if config.executor == "ray" and find_spec("ray") is None:
        raise XaibenchError("executor ray needs the package 'ray': pip install 'xaibench[ray]'.")
    check_asked(config)
    check_boxes(config.boxes, _needs_boxes(config))
    data = config.data
    if data and data not in entries("datasets") and ":" not in data and not Path(data).exists():
        raise XaibenchError(f"data folder {data} does not exist; check --data.")


def check_asked(config: RunConfig) -> None:
    """UsageError for unknown names, and for files of the user's that do not go together."""
    network = FILE.match(config.model or "")
    files = [*map(Path, config.files.values())]
    check_beside([*files, Path(network["path"]).expanduser()] if network else files)
    check_names("methods", config.method)
    check_names("metrics", config.metric)


def check_boxes(boxes: Path | None, needed: bool) -> None:
    """Errors where bounding boxes are needed and there are none."""
    if not needed:
        return
    if boxes is None:
        raise UsageError("the pointing games need bounding boxes: give --boxes DIR.")
    if next(boxes.rglob("*.xml"), None) is None:
        raise XaibenchError(f"no .xml files below {boxes}; check --boxes.")


def _needs_boxes(config: RunConfig) -> bool:
    """Whether a metric asked for declares so; one of a file says it later."""
    known = entries("metrics")
    keys = [parse(spec)[0] for spec in expand("metrics", config.metric)]
    return any("boxes" in known[k].metadata.get("needs", ()) for k in keys if k in known)


def cuda_devices() -> int | None:
    """How many CUDA devices the driver has; None where only torch can say."""
    try:
        if "rocm" in metadata.version("torch"):  # its devices are called cuda, too
            return None
        driver = ctypes.CDLL(_LIBRARIES[sys.platform])
    except (KeyError, metadata.PackageNotFoundError):
        return None
    except OSError:
        return 0
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return None
    return count.value
