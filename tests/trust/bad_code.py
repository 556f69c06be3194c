"""Bad code and weights: checkpoints, files with functions, plug-ins."""

from __future__ import annotations

import importlib
import os
import pickle
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from bad import Row, dry, on_samples, put, text
from networks import tiny
from safetensors.torch import save_file

from xaibench.registry import entries

State = dict[Any, Any]


class Ran:
    """Unpickled, it makes a folder `ran`."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("ran",)


def state(**more: Any) -> State:
    """The tiny network's weights, and others over them; `_` stands for the dot."""
    held: State = dict(tiny(classes=1000).module.state_dict())
    return held | {name.replace("_", ".", 1): value for name, value in more.items()}


def weights(name: str, make: Callable[[], object], line: str, file: str = "w.pth") -> Row:
    return Row(f"weights: {name}", make, on_samples("--weights", file), 1, line)


def saved(name: str, held: Any, line: str) -> Row:
    return weights(name, lambda: torch.save(held, "w.pth"), line)


def cut() -> None:
    torch.save(state(), "w.pth")
    put("w.pth", Path("w.pth").read_bytes()[:2000])


def without(name: str) -> State:
    return {key: value for key, value in state().items() if key != name}


def safe(held: State) -> Callable[[], object]:
    return partial(save_file, held, "w.safetensors")


UNREADABLE = r"cannot read weights from w\.\w+ \(\w+\); give a state dict saved by torch\.save"
UNFIT = r"the weights in w\.\w+ do not fit the network \(of its 26 tensors {}"
NUMBERS = r"{} in w\.\w+ holds NaN, infinity or complex numbers: give the weights of a finished"
NONE = r"w\.pth holds no state dict; save model\.state_dict\(\)"
SAFE = "w.safetensors"
MANY = torch.zeros(1000)

WEIGHTS = [
    saved("code", Ran(), UNREADABLE),
    saved("code in a state", state() | {"x": Ran()}, UNREADABLE),
    weights("plain pickle", text("w.pth", pickle.dumps(Ran())), UNREADABLE),
    weights("cut", cut, UNREADABLE),
    weights("folder", partial(os.mkdir, "w.pth"), r"w\.pth is not a file; check --weights"),
    Row(
        "weights: pipe",
        partial(os.mkfifo, "w.pth"),
        on_samples("--weights", "w.pth"),
        2,
        r"weights w\.pth is no regular file and no folder",
    ),
    weights("empty", text("w.pth", b""), UNREADABLE),
    saved("no tensors", {}, UNFIT.format("26 are missing, as stem.0.weight")),
    saved("list", [1], NONE),
    saved("nothing", None, NONE),
    saved("words", {"head.weight": "x"}, NONE),
    saved("one missing", without("head.bias"), UNFIT.format("1 are missing, as head.bias")),
    saved("one more", state(x_y=MANY), UNFIT.format("1 are not the network's, as x.y")),
    saved("number as name", state() | {5: MANY}, UNFIT.format("1 are not the network's, as 5")),
    saved("shape", state(head_weight=MANY), UNFIT.format(r"1 have another shape, as head.weight")),
    saved("NaN", state(head_bias=MANY / 0), NUMBERS.format("head.bias")),
    saved("infinity", state(head_bias=MANY + torch.inf), NUMBERS.format("head.bias")),
    saved("complex", state(head_bias=MANY.to(torch.complex64)), NUMBERS.format("head.bias")),
    saved("on no device", state(head_bias=MANY.to("meta")), UNFIT.format("all are there, but")),
    saved("sparse", state(head_bias=MANY.to_sparse()), UNFIT.format("all are there, but")),
    saved(
        "one name twice",
        state() | {"module.head.bias": MANY},
        r"w\.pth has names with and without 'module\.': keep one of each",
    ),
    weights("of another", safe({"x": MANY}), UNFIT.format("26 are missing"), SAFE),
    weights("safetensors NaN", safe(state(head_bias=MANY / 0)), NUMBERS.format("head.bias"), SAFE),
    weights("safetensors empty", text(SAFE, b""), UNREADABLE, SAFE),
    weights("safetensors noise", text(SAFE, b"\xff" * 99), UNREADABLE, SAFE),
    weights("pickle as safetensors", text(SAFE, pickle.dumps(Ran())), UNREADABLE, SAFE),
    weights("safetensors as pickle", partial(save_file, state(), "w.pth"), UNREADABLE),
]

ENDS = "it ends the program with"
RAISES = {
    "syntax": ("def f(:\n", "SyntaxError"),
    "exit 0": ("import sys\nsys.exit(0)\n", f"{ENDS} SystemExit 0"),
    "exit 3": ("raise SystemExit(3)\n", f"{ENDS} SystemExit 3"),
    "own end": ("class End(BaseException): pass\nraise End('x')\n", f"{ENDS} End x"),
    "error": ("1/0\n", "ZeroDivisionError"),
    "absent module": ("import nothing_like_this\n", "ModuleNotFoundError"),
    "NUL": ("a = '\0'\n", "SyntaxError"),
    "deep": ("a = " + "-" * 100_000 + "1\n", "MemoryError"),
    "endless": ("def g(): g()\ng()\n", "RecursionError"),
    "lines": ("raise ValueError('a\\nb')\n", "ValueError: a b"),
}


def file(name: str, content: str, line: str, option: str = "--method", code: int = 1) -> Row:
    words = on_samples(option, "file:my.py:f")
    return Row(f"file: {name}", text("my.py", content), words, code, line)


FILES = [
    *(
        file(f"{what}, {option}", content, rf"my\.py cannot be imported \({said}.*\): mend", option)
        for option in ("--method", "--metric", "--model")
        for what, (content, said) in RAISES.items()
    ),
    file("empty", "", r"unknown function in .*my\.py 'f': known: none", code=2),
    file("number", "f = 5\n", r"f in .*my\.py is int, not a function", code=2),
    file("ends when called", "def f(): raise SystemExit(0)", rf"f failed \({ENDS} Sys", "--model"),
    file("gives nothing", "def f(): pass", r"returned NoneType: it must return an nn", "--model"),
    file("wants more", "def f(a): pass", r"f failed \(TypeError.*without arguments", "--model"),
    file("ends explaining", "def f(c, b, s): raise SystemExit(0)", rf"1 failed: .*{ENDS} SystemEx"),
    file("ends scoring", "def f(s): raise SystemExit(0)", rf"failed: .*{ENDS} SystemE", "--metric"),
    file(
        "ends in a stream",
        "def f(s):\n    yield from ()\n    raise SystemExit(0)\n",
        rf"a method, metric or model failed: {ENDS} SystemExit 0",
        "--metric",
    ),
    Row(
        "file: prints",
        text("my.py", "print('hello')\ndef f(ctx, batch, state): pass\n"),
        dry("--method", "file:my.py:f"),
        0,
        r"^time: not measured|on one device",
    ),
]


def install(kind: str, content: str, points: str) -> None:
    """A package in the working directory, as if it were installed."""
    put("bad_plugin.py", content)
    put("bad_plugin-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: bad-plugin\nVersion: 1\n")
    put("bad_plugin-1.dist-info/entry_points.txt", f"[xaibench.{kind}]\n{points}\n")
    sys.path.insert(0, str(Path.cwd()))
    importlib.invalidate_caches()
    entries.cache_clear()


def plugin(
    name: str,
    content: str,
    words: tuple[object, ...],
    code: int,
    line: str,
    kind: str = "methods",
    points: str = "bad = bad_plugin:bad",
) -> Row:
    return Row(f"plug-in: {name}", partial(install, kind, content, points), words, code, line)


def declared(kind: str, arguments: str = "", body: str = "pass") -> str:
    head = f"from xaibench.registry import {kind}\n@{kind}({arguments})\n"
    return f"{head}def bad(ctx, batch=None, state=None): {body}\n"


USED, UNUSED = dry("--method", "bad"), dry("--method", "gradcam")
NOT_IMPORTED = r"method 'bad' from bad-plugin cannot be imported \({}.*\): install what it needs"
FINE = r"^time: not measured|on one device"
KEYS, FAMILY = declared("method", "keys=5"), declared("method", "family='nonsense'")
EXIT = "raise SystemExit(0)\n"

PLUGINS = [
    *(
        plugin(f"{what}, used", content, USED, 1, NOT_IMPORTED.format(said))
        for what, (content, said) in RAISES.items()
    ),
    *(
        plugin(f"{what}, not used", content, UNUSED, 0, FINE)
        for what, (content, _) in RAISES.items()
    ),
    plugin(
        "deep, listed", RAISES["deep"][0], ("list", "methods"), 0, r"^  bad +plug-in from bad-p"
    ),
    plugin("wrong keys, used", KEYS, USED, 1, NOT_IMPORTED.format("TypeError")),
    plugin("wrong keys, not used", KEYS, UNUSED, 0, FINE),
    plugin("wrong family, not used", FAMILY, UNUSED, 0, FINE),
    plugin(
        "wrong family, used",
        FAMILY,
        on_samples("--method", "bad"),
        1,
        r"method 'bad' declares the family 'nonsense': it has to be one of control",
    ),
    plugin("not decorated", "def bad(): pass\n", USED, 1, r"not decorated with xaibench\.registry"),
    plugin("no module", "", USED, 1, NOT_IMPORTED.format("ValueError"), points="bad ="),
    plugin("no name", "", USED, 1, NOT_IMPORTED.format("Attribute"), points="bad = bad_plugin"),
    plugin("relative", "", USED, 1, NOT_IMPORTED.format("TypeError"), points="bad = .x:y"),
    plugin("relative, not used", "", UNUSED, 0, FINE, points="bad = .x:y"),
    plugin("wrong list, used", "", USED, 2, r"unknown method 'bad'", points="nonsense"),
    plugin("wrong list, not used", "", UNUSED, 0, FINE, points="nonsense"),
    plugin("prints", "print('hi')\n" + declared("method"), USED, 0, FINE),
    plugin("model, not used", EXIT, UNUSED, 0, FINE, "models"),
    plugin("dataset, not used", EXIT, UNUSED, 0, FINE, "datasets"),
    plugin("model ends", EXIT, dry("--model", "bad:x"), 1, rf"model 'bad'.*{ENDS} Sy", "models"),
    plugin("dataset ends", EXIT, dry("--data", "bad:x"), 1, rf"dataset 'bad'.*{ENDS}", "datasets"),
    plugin(
        "model fails",
        declared("model", body="raise KeyError('x')"),
        dry("--model", "bad:x"),
        1,
        r"model 'bad:x' cannot be loaded \(KeyError: 'x'\): choose another --model",
        "models",
    ),
    plugin(
        "dataset fails",
        declared("dataset", body="raise KeyError('x')"),
        dry("--data", "bad:x"),
        1,
        r"dataset 'bad' failed on 'x' \(KeyError: 'x'\): check --data",
        "datasets",
    ),
    plugin(
        "dataset gives a number",
        declared("dataset", body="return 5"),
        dry("--data", "bad:x"),
        1,
        r"dataset 'bad' finds nothing of its own in 'x'; check --data",
        "datasets",
    ),
]
ROWS = [*WEIGHTS, *FILES, *PLUGINS]
