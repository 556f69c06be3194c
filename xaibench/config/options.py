"""Every option of a run, listed once: a configuration's fields and the commands' parameters.

Imports nothing heavy, so that `--help` needs none of it. The order is that of the help.
"""

import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal


@dataclass(frozen=True)
class Option:
    """What is said of an option beside its type and value.

    default: the default in words; by itself the value, '' for none. low, high: the least and the
    largest number.
    of_run: whether it is part of what a run is, and not of what to compute, where, or how fast.
    switch: whether the command line has a `--no-` form too. flag: its name there, where that is
    another than the configuration's.
    """

    help: str
    default: str | None = None
    low: int | None = None
    high: int | None = None
    of_run: bool = False
    switch: bool = False
    flag: str = ""


class Options:
    """The options with their types and the values that hold where nothing is said."""

    method: Annotated[
        tuple[str, ...],
        Option(
            "Saliency methods, repeatable, comma lists or 'all'; a spec may carry values: "
            "'rise(n_masks=2000)'; or a function of yours, file:PATH.py:NAME."
        ),
    ] = ("gradcam",)
    metric: Annotated[
        tuple[str, ...],
        Option(
            "Metrics, repeatable, comma lists or 'all'; or a function of yours, file:PATH.py:NAME."
        ),
    ] = ("insertion", "deletion")
    maps: Annotated[
        Path | None,
        Option(
            "Maps made elsewhere in the place of a method's: an .npz of ids and maps, or a folder."
        ),
    ] = None
    name: Annotated[
        str | None, Option("What the method of --maps is called.", default="the file's name")
    ] = None
    metric_backend: Annotated[
        Literal["native", "quantus"],
        Option("native, or quantus: Quantus itself for the metrics it has.", default=""),
    ] = "native"
    boxes: Annotated[
        Path | None,
        Option(
            "Folder of ImageNet XML files with bounding boxes, for the pointing games.", of_run=True
        ),
    ] = None
    model: Annotated[
        str | None,
        Option(
            "efficientnet_lite0 (embedded), _lite1, _lite2, any torchvision classifier (resnet50, "
            "torchvision:NAME@WEIGHTS), timm:NAME or timm:NAME.TAG, file:MODULE.py:FUNCTION; "
            "@random draws weights.",
            default="resnet50; with samples, the embedded one",
            of_run=True,
        ),
    ] = None
    weights: Annotated[
        Path | None,
        Option("Local weights of --model: .safetensors or a torch state dict.", of_run=True),
    ] = None
    cam_layer: Annotated[
        str | None,
        Option("The layer CAM methods look at, e.g. layer4.2.", default="found", of_run=True),
    ] = None
    data: Annotated[
        str | None,
        Option(
            "'samples' (20 embedded photographs), ImageNet in any of its layouts, or a folder of "
            "images, in subfolders named by WordNet id, class index or class name.",
            of_run=True,
        ),
    ] = None
    classes: Annotated[
        Path | None,
        Option(
            "A text file: the names of the network's classes, one a line in their order; or a line "
            "FOLDER, tab, CLASS for each folder of the data.",
            of_run=True,
        ),
    ] = None
    target: Annotated[
        tuple[str, ...],
        Option(
            "ground_truth, predicted, least_probable; repeatable.",
            default="ground_truth, or predicted where images have no classes",
        ),
    ] = ()
    transform: Annotated[
        tuple[str, ...],
        Option("none, mixup, resize, rotation, crop (four variations each) or all; repeatable."),
    ] = ("none",)
    protocol: Annotated[str, Option("published, reference or a YAML file.", of_run=True)] = (
        "published"
    )
    order: Annotated[
        Literal["dataset", "drawn"],
        Option("Of the images: dataset, or drawn by the seed.", of_run=True),
    ] = "dataset"
    limit: Annotated[int | None, Option("The first N images of the order.", low=1)] = None
    until: Annotated[
        float | None,
        Option(
            "Stop each mean of a bounded metric once its 95% interval is within POINTS of it (1: "
            "0.01 in natural units), at ends of blocks; images come in a drawn order."
        ),
    ] = None
    subset: Annotated[
        Path | None,
        Option(
            "A file with one image a line: id, file name or stem; a label may follow.", of_run=True
        ),
    ] = None
    per_class: Annotated[
        int | None, Option("So many images of each class, drawn by the seed.", low=0, of_run=True)
    ] = None
    device: Annotated[str, Option("auto, cpu, cuda, cuda:1.")] = "auto"
    batch_size: Annotated[
        str | int,
        Option(
            "auto or N: inputs per forward pass; a resumed run keeps its first one.", default=""
        ),
    ] = "auto"
    dtype: Annotated[
        Literal["float32", "bfloat16"],
        Option(
            "Precision of forward passes without gradients; gradients, maps and rankings stay "
            "float32.",
            of_run=True,
        ),
    ] = "float32"
    compile: Annotated[
        Literal["off", "auto"],
        Option(
            "auto: torch.compile for these passes where there are enough to pay for it; a run goes "
            "on as it was begun."
        ),
    ] = "off"
    workers: Annotated[
        int, Option("Processes that decode images; 0: none but this one.", low=0, high=1024)
    ] = 2
    processes: Annotated[
        str | int,
        Option(
            "Processes that share the cores and the work: N, or auto: one a core where that was "
            "measured to be faster.",
        ),
    ] = 1
    devices: Annotated[
        str | int | None,
        Option("GPUs that share the work, a process each: N or all.", default="one"),
    ] = None
    executor: Annotated[
        Literal["local", "ray"],
        Option(
            "local: this machine. ray: a Ray cluster, all its GPUs or cores unless --devices or "
            "--processes say fewer."
        ),
    ] = "local"
    ray_address: Annotated[
        str | None,
        Option(
            "Of a Ray cluster that is there, HOST:PORT or auto.",
            default="RAY_ADDRESS, or a cluster of its own on this machine",
        ),
    ] = None
    seed: Annotated[int, Option("Seed of everything random.", low=0, of_run=True)] = 0
    out: Annotated[
        Path | None,
        Option(
            "Run directory, or a URL: s3://, gs://, file://.",
            default="results/runs/DATA-MODEL-PROTOCOL",
        ),
    ] = None
    shard: Annotated[
        str | None,
        Option(
            "i/n: the i-th of n shares of the images' blocks, for n processes anywhere; into one "
            "directory, or into directories that `merge` puts together."
        ),
    ] = None
    keep_maps: Annotated[
        Literal["keep", "small", "none"],
        Option(
            "Which maps are stored: keep (all), small (only those smaller than the input), none; "
            "the others are scored as they are made.",
            flag="maps",
        ),
    ] = "keep"
    keep_curves: Annotated[
        bool,
        Option(
            "Store the curves that insertion and deletion are the areas of, beside their values; "
            "values without one are computed again."
        ),
    ] = False
    strict: Annotated[
        bool, Option("Unreadable images and other library versions are errors.", switch=True)
    ] = False
    retry_failed: Annotated[
        bool, Option("Try again what the same code failed on before.", default="", switch=True)
    ] = True
    overwrite: Annotated[bool, Option("Empty the run directory first.")] = False
    keep_stale: Annotated[
        bool, Option("Keep results that other code made than is here now.", switch=False)
    ] = False
    wait: Annotated[
        bool, Option("Wait where another process is writing into the run directory.")
    ] = False
    profile: Annotated[
        bool,
        Option("Say where the seconds went; traces of the first passes in the run's profile/."),
    ] = False
    dry_run: Annotated[bool, Option("Print what would be computed, compute nothing.")] = False


OPTIONS: Mapping[str, Option] = {k: v.__metadata__[0] for k, v in Options.__annotations__.items()}


def help_text(name: str) -> str:
    """What an option is, with its default in brackets."""
    option, value = OPTIONS[name], getattr(Options, name)
    default = option.default
    if default is None and value not in (None, (), False):
        default = ",".join(value) if isinstance(value, tuple) else str(value)
    elif default is None and type(value) is int:
        default = str(value)  # 0 is one too
    return f"{option.help} [default: {default}]" if default else option.help


def typed(name: str) -> Any:
    """The type of an option on the command line: list[str], str, int, float, Path or bool."""
    held = typing.get_args(Options.__annotations__[name])[0]
    if typing.get_origin(held) is tuple:
        return list[str]
    kinds = typing.get_args(held) or (held,)
    return next((kind for kind in (str, int, float, Path, bool) if kind in kinds), str)
