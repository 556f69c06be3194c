"""Bad words: specs, options, names."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
from bad import FAST, TINY, TO, Row, dry, files, nothing, on_data, on_samples, text

LONG = "x" * 300
MINE = "def mine(ctx, batch, state, *, a=1): pass\n"
FORM = r"write it as name\(option=value, \.\.\.\)"
NUL, UTF, BYTES = r"has a NUL character: leave it out", r"is not UTF-8", r"is longer than 255 bytes"


def spec(name: str, spec: str, line: str, option: str = "--method", code: int = 2) -> Row:
    return Row(f"spec: {name}", text("my.py", MINE), dry(option, spec), code, line)


def mine(value: str, line: str = FORM) -> Row:
    return spec(f"value {value[:20]}", f"file:my.py:mine(a={value})", line)


def option(name: str, value: object, line: str, code: int = 2) -> Row:
    words = on_samples(f"--{name}", value)
    return Row(f"option: {name} {str(value)[:20]!a}", nothing, words, code, line)


def score(*words: object) -> tuple[object, ...]:
    return ("score", "--data", "samples", *TINY, *FAST, *TO, *words)


def maps() -> None:
    np.savez("maps.npz", ids=["imagenet_00_243.jpg"], maps=np.ones((1, 64, 64)))


def ablate(name: str, line: str, *words: object) -> Row:
    return Row(f"ablate: {name}", nothing, ("ablate", *words, *TINY, *FAST), 2, line)


PATHS = ("data", "out", "subset", "weights", "boxes", "model", "protocol", "cam-layer", "device")
TOGETHER = ("--maps", "maps.npz", "--name")

ROWS = [
    spec("100,000 brackets", "a" + "(" * 100_000, r"has 100,001 characters: give at most 4,000"),
    spec("3,000 brackets", "a" + "(" * 3_000, FORM),
    spec("3,900 signs", f"rise(p={'-' * 3_900}1)", FORM),
    spec("1,900 sums", f"rise(p=1{'+1' * 1_900})", FORM),
    spec("NUL", "grad\0cam", NUL),
    spec("half a surrogate", "rise(p='\udcff')", UTF),
    spec("without a name for it", "rise(3)", FORM),
    spec("option twice", "rise(p=1,p=2)", FORM),
    spec("stars", "rise(**{'p': 1})", FORM),
    spec("code", "rise(p=__import__('os').mkdir('ran'))", FORM),
    spec("walrus", "rise(p=(x:=1))", FORM),
    spec("more after it", "rise(p=1) x", FORM),
    spec("n_masks below", "rise(n_masks=-1)", r"rise\(n_masks=-1\): must be at least 1\."),
    spec("n_masks none", "rise(n_masks=0)", r"rise\(n_masks=0\): must be at least 1\."),
    spec("n_masks huge", f"rise(n_masks={10**20})", r"give a number within 1e\+18"),
    spec("n_masks as text", "rise(n_masks=many)", r"n_masks must be int"),
    spec("n_masks nan", "rise(n_masks=nan)", r"n_masks must be int"),
    spec("sigma infinite", "insertion(sigma=1e999)", FORM, "--metric"),
    spec("unknown option", "rise(nmasks=5)", r"unknown option of rise 'nmasks': .*'n_masks'"),
    spec("unclosed", "rotation(", FORM, "--transform"),
    spec("target with values", "predicted(x=1)", r"unknown target", "--target"),
    spec("no such file", "file:nothere.py:f", r"nothere\.py does not exist or is no", code=1),
    spec("no function", "file:my.py", r"write it as file:PATH\.py:NAME"),
    spec("a folder", "file:.:mine", r"write it as file:PATH\.py:NAME"),
    spec(
        "file of 300 bytes", f"file:{LONG}.py:f", r"cannot be a file \(File name too long", code=1
    ),
    spec("nobody's home", "file:~nobody_here/my.py:f", r"cannot be a file \(.*home", code=1),
    mine("{1, 2}"),
    mine("b'1'"),
    mine("..."),
    mine("1j"),
    mine("1e999"),
    mine("{[]: 1}"),
    mine("{1: 1}"),
    mine(f"'{LONG}'", r"is too long for the name of a folder: give fewer or shorter values"),
    *(
        option(name, "", rf"{name} is empty: give a name, or leave the option out")
        for name in PATHS
    ),
    *(option(name, "a\0b", NUL) for name in PATHS),
    *(option(name, "a\udcffb", UTF) for name in PATHS),
    *(option(name, LONG, BYTES) for name in PATHS),
    option("out", "/".join(["y" * 200] * 30), r"out has 6,029 characters: give at most 4,000"),
    option("limit", -1, r"limit in the command line: .* greater than or equal to 1"),
    option("limit", 0, r"limit in the command line: .* greater than or equal to 1"),
    option("limit", 10**30, r"out: 20 images, computed", 0),
    option("limit", "nan", r"'--limit' .*should be a valid integer"),
    option("limit", "1" * 5000, r"'--limit' .*exceeded maximum size"),
    option("per-class", -1, r"per-class in the command line: .* greater than or equal to 0"),
    option("per-class", 10**30, r"19 of 19 classes have fewer images"),
    option("per-class", "x", r"'--per-class' .*should be a valid integer"),
    option("seed", -1, r"seed in the command line: .* greater than or equal to 0"),
    option("seed", "nan", r"'--seed' .*should be a valid integer"),
    option("workers", -1, r"workers in the command line: .* greater than or equal to 0"),
    option("workers", 10**9, r"workers in the command line: .* less than or equal to 1024"),
    option("workers", "x", r"'--workers' .*should be a valid integer"),
    option("batch-size", -1, r"batch-size '-1': give a number of at least 1, or auto"),
    option("batch-size", 0, r"batch-size '0': give a number of at least 1, or auto"),
    option("batch-size", 10**12, r"batch-size 1000000000000: give at most 65,536"),
    option("batch-size", "nan", r"batch-size 'nan': give a number of at least 1, or auto"),
    option("device", "cuda:-1", r"device 'cuda:-1': give auto, cpu, cuda or cuda:N"),
    option("device", "cpu:7", r"device 'cpu:7': give auto, cpu, cuda or cuda:N"),
    option("device", "cuda:99", r"device 'cuda:99': \d+ CUDA devices here", 1),
    option("data", "samples:x", r"--data samples:x: the photographs have no path; give samples"),
    option("data", "imagefolder:", r"has no path: write --data imagefolder:PATH"),
    option("data", "webdataset:no", r"'webdataset' finds nothing of its own in 'no'", 1),
    option("data", "parquet:no", r"'parquet' finds nothing of its own in 'no'", 1),
    option("data", "imagenet_flat:no", r"finds nothing of its own in 'no'", 1),
    option("data", "imagenet_archive:no", r"finds nothing of its own in 'no'", 1),
    option("out", "/dev/null", r"/dev/null is .*file", 1),
    option("subset", ".", r"cannot read \.: Is a directory", 1),
    option("model", "file:", r"model 'file:': write --model file:MODULE\.py:FUNCTION"),
    option("model", "file:.:f", r"\. does not exist or is not a file: write --model", 1),
    option("metric-backend", "captum", r"metric-backend .*should be 'native' or 'quantus'"),
    option("target", "all", r"unknown target 'all': known: ground_truth, least_probable"),
    option("method", "file:a/m.py:f,file:b/m.py:f", r"two files are called m\.py, .*: rename one"),
    Row(
        "option: random and weights",
        nothing,
        on_samples("--model", "resnet18@random", "--weights", "w.pth"),
        2,
        r"resnet18@random with --weights w\.pth: drop @random or --weights",
    ),
    Row(
        "option: kernel that no memory holds",
        nothing,
        on_samples("--metric", "insertion(kernel=99999999999)"),
        1,
        r"1 failed: insertion\(kernel=99999999999\) of gradcam failed: .*array is too big",
    ),
    Row("name: without maps", nothing, score("--name", "x"), 2, r"is that of --maps: give both"),
    Row("name: of a path", maps, score(*TOGETHER, "a/b"), 2, r"name 'a/b': give letters, digits"),
    Row("name: of 300 bytes", maps, score(*TOGETHER, LONG), 2, BYTES),
    Row(
        "maps: a pipe", partial(os.mkfifo, "m.npz"), score("--maps", "m.npz"), 2, r"no regular file"
    ),
    Row(
        "maps: a text",
        text("m.npz", "hi"),
        score("--maps", "m.npz"),
        1,
        r"cannot be read as arrays",
    ),
    Row(
        "subset: a pipe",
        partial(os.mkfifo, "l"),
        on_samples("--subset", "l"),
        2,
        r"no regular file",
    ),
    Row(
        "subset: a long line",
        text("l", " ," * 500_000),
        on_samples("--subset", "l"),
        2,
        r"1 images that l names are not in samples",
    ),
    Row(
        "subset: a label of 5,000 digits",
        text("l", "imagenet_00_243.jpg," + "1" * 5000),
        on_samples("--subset", "l"),
        2,
        r"1 images that l names are not in samples",
    ),
    Row(
        "subset: no text", text("l", b"\xff\xfe"), on_samples("--subset", "l"), 1, r"l is not text"
    ),
    Row(
        "subset: of other images",
        files("data/a.png", l="b.png\n"),
        on_data("--subset", "l"),
        2,
        r"1 images that l names are not in data",
    ),
    ablate("from a long name", BYTES, "--from", f"{LONG}.yaml"),
    ablate("to NUL", NUL, "--to", "a\0.yaml"),
    ablate("to nothing", r"protocol is empty", "--to", ""),
    ablate("a deep switch", r"has 50,001 characters", "--switch", "a" + "(" * 50_000),
    Row("list: NUL", nothing, ("list", "\0"), 2, r"unknown list .*: known: datasets, methods"),
    Row("list: half a surrogate", nothing, ("list", "\udcff"), 2, r"unknown list"),
    Row("report: half a surrogate", nothing, ("report", "\udcff"), 1, r"is not a run directory"),
]
