"""The options that several commands share; every one also reads XAIBENCH_<OPTION>."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer


def shown(text: str) -> str:
    """Help text with its brackets kept, which the terminal would take for markup."""
    return text.replace("[", "\\[")


def option(name: str, text: str, **more: Any) -> Any:
    """A Typer option with its environment variable."""
    variable = "XAIBENCH_" + name.upper().replace("-", "_")
    names = [f"--{name}/--no-{name}"] if more.pop("switch", False) else [f"--{name}"]
    return typer.Option(*names, envvar=variable, help=shown(text), show_default=False, **more)


Method = Annotated[
    Optional[list[str]],
    option(
        "method",
        "Saliency methods, repeatable, comma lists or 'all'; a spec may carry values: "
        "'rise(n_masks=2000)'; or a function of yours, file:PATH.py:NAME. [default: gradcam]",
    ),
]
Metric = Annotated[
    Optional[list[str]],
    option(
        "metric",
        "Metrics, repeatable, comma lists or 'all'; or a function of yours, file:PATH.py:NAME. "
        "[default: insertion,deletion]",
    ),
]
Config = Annotated[
    Optional[str],
    option(
        "config",
        "A YAML file of these options, or the name of a shipped one: smoke, table1, table2, "
        "table3, table4, paper.",
    ),
]
Model = Annotated[
    Optional[str],
    option(
        "model",
        "efficientnet_lite0 (embedded), any torchvision classifier (resnet50, "
        "torchvision:NAME@WEIGHTS), timm:NAME or timm:NAME.TAG, file:MODULE.py:FUNCTION; "
        "@random draws weights. [default: resnet50; with samples, the embedded one]",
    ),
]
Weights = Annotated[
    Optional[Path],
    option("weights", "Local weights of --model: .safetensors or a torch state dict."),
]
CamLayer = Annotated[
    Optional[str],
    option("cam-layer", "The layer CAM methods look at, e.g. layer4.2. [default: found]"),
]
Data = Annotated[
    Optional[str],
    option(
        "data",
        "'samples' (20 embedded photographs), ImageNet in any of its layouts, or a folder of "
        "images, in subfolders named by WordNet id or class index.",
    ),
]
Boxes = Annotated[
    Optional[Path],
    option("boxes", "Folder of ImageNet XML files with bounding boxes, for the pointing games."),
]
MetricBackend = Annotated[
    Optional[str],
    option("metric-backend", "native, or quantus: Quantus itself for the metrics it has."),
]
Target = Annotated[
    Optional[list[str]],
    option(
        "target",
        "ground_truth, predicted, least_probable; repeatable. "
        "[default: ground_truth, or predicted where images have no classes]",
    ),
]
Transform = Annotated[
    Optional[list[str]],
    option(
        "transform",
        "none, mixup, resize, rotation, crop (four variations each) or all; repeatable. "
        "[default: none]",
    ),
]
ProtocolName = Annotated[
    Optional[str], option("protocol", "published, reference or a YAML file. [default: published]")
]
Limit = Annotated[Optional[int], option("limit", "The first N images of the dataset's order.")]
Subset = Annotated[
    Optional[Path],
    option("subset", "A file with one image a line: id, file name or stem; a label may follow."),
]
PerClass = Annotated[
    Optional[int], option("per-class", "So many images of each class, drawn by the seed.")
]
Device = Annotated[Optional[str], option("device", "auto, cpu, cuda, cuda:1. [default: auto]")]
BatchSize = Annotated[
    Optional[str],
    option("batch-size", "auto or N: inputs per forward pass; a resumed run keeps its first one."),
]
Workers = Annotated[
    Optional[int],
    option("workers", "Processes that decode images; 0: none but this one. [default: 2]"),
]
Seed = Annotated[Optional[int], option("seed", "Seed of everything random. [default: 0]")]
Out = Annotated[
    Optional[Path],
    option("out", "Run directory. [default: results/runs/DATA-MODEL-PROTOCOL]"),
]
Strict = Annotated[
    Optional[bool],
    option("strict", "Unreadable images and other library versions are errors.", switch=True),
]
Overwrite = Annotated[Optional[bool], option("overwrite", "Empty the run directory first.")]
DryRun = Annotated[
    Optional[bool], option("dry-run", "Print what would be computed, compute nothing.")
]
