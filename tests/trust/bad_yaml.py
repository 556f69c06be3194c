"""Bad YAML: configurations and protocols."""

from __future__ import annotations

import os
from functools import partial

from bad import Row, dry, nothing, text

PROTOCOL = "name: mine\ndescription: x\npreprocessing: {resize: squash}\n"
PAIRS = zip("abcdefg", "bcdefgh", strict=True)
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in PAIRS
)
LONG = "x" * 300


def config(name: str, content: bytes | str, line: str) -> Row:
    words = ("run", "--dry-run", "--config", "c.yaml")
    return Row(f"config: {name}", text("c.yaml", content), words, 2, line)


def protocol(name: str, content: str, line: str) -> Row:
    make = text("p.yaml", PROTOCOL + content)
    return Row(f"protocol: {name}", make, dry("--protocol", "p.yaml"), 2, line)


ROWS = [
    config("alias bomb", f"{BOMB}method: *h\n", r"c\.yaml is not valid YAML: .* 100,000 values"),
    config("alias of itself", "method: &a [*a]\n", r"alias \*a is part of what it stands for"),
    config("alias of nothing", "method: *a\n", r"line 1: found undefined alias 'a'"),
    config("key twice", "limit: 1\nseed: 2\nlimit: 3\n", r"line 3: the key 'limit' .* second time"),
    config(
        "key in two spellings",
        "batch-size: 16\nbatch_size: 32\n",
        r"batch_size twice, in two spell",
    ),
    config("deep list", f"method: {'[' * 100_000}", r"more than 50 levels"),
    config("deep block", "".join(f"{' ' * i}a:\n" for i in range(900)), r"more than 50 levels"),
    config("list as key", "? [a]\n: b\n", r"line 1: found unhashable key"),
    config("number as key", "5: b\n", r"unknown key in c\.yaml '5'"),
    config("NUL", "method: grad\0cam\n", r"not valid YAML: .*special characters are not allowed"),
    config("escaped NUL", 'out: "a\\0b"\n', r"out 'a\\x00b' has a NUL character: leave it out"),
    config("half a surrogate", 'out: "a\\ud800b"\n', r"out 'a\\ud800b' is not UTF-8: rename it"),
    config("Latin-1", "out: caf\xe9\n".encode("latin-1"), r"c\.yaml is not text: give a YAML file"),
    config(
        "Python", "out: !!python/object/apply:os.mkdir [ran]\n", r"could not determine a constr"
    ),
    config("no date", "out: 2020-99-99\n", r"not valid YAML: month must be in 1\.\.12"),
    config("no number", "limit: !!int x\n", r"not valid YAML: invalid literal for int"),
    config("no truth", "strict: !!bool x\n", r"not valid YAML: KeyError 'x'"),
    config("5,000 digits", f"limit: {'1' * 5000}\n", r"not valid YAML: Exceeds the limit"),
    config("two documents", "limit: 1\n---\nlimit: 2\n", r"line 2: but found another document"),
    config("a text", "hello", r"c\.yaml must hold `key: value` lines"),
    config("infinite limit", "limit: .inf\n", r"limit in c\.yaml: Input should be a finite number"),
    config(
        "limit not a number", "limit: .nan\n", r"limit in c\.yaml: Input should be a finite num"
    ),
    config("limit yes", "limit: yes\n", r"limit cannot be true: give a value"),
    config("batch size true", "batch_size: true\n", r"batch-size cannot be true: give a value"),
    config("seed null", "seed: null\n", r"seed in c\.yaml: Input should be a valid integer"),
    config("date as out", "out: 2020-01-01\n", r"out in c\.yaml: Input is not a valid path"),
    config("set of methods", "method: !!set {a}\n", r"method in c\.yaml: .*give a name, or a list"),
    config(
        "large", f"method: [{'gradcam, ' * 200_000}]", r"has 1,800,010 characters: give at most"
    ),
    config("including itself", "include: [c.yaml]\n", r"which c\.yaml includes, has an include of"),
    config("including nothing", "include: []\n", r"include in c\.yaml: give a list of config"),
    config(
        "including a folder", "include: ['.']\n", r"unknown config '\.': known: check, paper, smoke"
    ),
    config("including NUL", 'include: ["\\0"]\n', r"config '\\x00' has a NUL character"),
    config("out of 300 bytes", f"out: {LONG}\n", r"out 'x{40}\.\.\.' is longer than 255 bytes"),
    Row("config: no name", nothing, dry("--config", ""), 2, r"config is empty: give a name, or"),
    Row(
        "config: folder", partial(os.mkdir, "c.yaml"), dry("--config", "c.yaml"), 1, r"cannot read"
    ),
    Row("config: pipe", partial(os.mkfifo, "c.yaml"), dry("--config", "c.yaml"), 1, r"no regular"),
    Row("config: long", nothing, dry("--config", f"{LONG}.yaml"), 2, r"is longer than 255 bytes"),
    Row("config: no UTF-8", nothing, dry("--config", "\udcff.yaml"), 2, r"config .* is not UTF-8"),
    protocol(
        "alias bomb", f"{BOMB}methods: {{rise: {{n_masks: *h}}}}", r"more than 100,000 values"
    ),
    protocol("key twice", "methods: {rise: {p: 1, p: 2}}", r"line 4: the key 'p' .* second time"),
    protocol("number as key", "5: x", r"unknown key in p\.yaml '5'"),
    protocol("number as method", "methods: {5: {}}", r"methods\.5.* in p\.yaml: .* a valid string"),
    protocol("list of methods", "methods: [rise]", r"methods in p\.yaml: .* a valid dictionary"),
    protocol("NaN", "methods: {opticam: {lr: .nan}}", r"opticam\(lr=nan\): give a number within"),
    protocol("infinity", "metrics: {causal: {sigma: .inf}}", r"causal\(sigma=inf\): give a number"),
    protocol("date", "methods: {gradcam: {layer: 2020-01-01}}", r"layer must be str"),
    protocol("deep", f"methods: {{rise: {{p: {'[' * 90}{']' * 90}}}}}", r"more than 50 levels"),
    protocol("group of three", "batchnorm_groups: {ig: {resize: 3}}", r"should be 1 or 5"),
    Row("protocol: no name", nothing, dry("--protocol", ""), 2, r"protocol is empty: give a name"),
    Row(
        "protocol: pipe", partial(os.mkfifo, "p.yml"), dry("--protocol", "p.yml"), 1, r"no regular"
    ),
    Row("protocol: long", nothing, dry("--protocol", f"{LONG}.yml"), 2, r"longer than 255 bytes"),
]
