import re
from pathlib import Path

from xaibench.registry import entries

ROOT = Path(__file__).parents[1]


def test_every_citation_resolves():
    keys = set(re.findall(r"^@\w+\{([^,]+),", (ROOT / "references.bib").read_text(), re.M))
    for kind in ("methods", "metrics"):
        for entry in entries(kind).values():
            if entry.source == "xaibench":
                assert entry.metadata["citation"] in keys
