"""Draws the Mermaid blocks of the pages as `docs/images/<page>-<number>.svg`: the site runs no scripts of others.

    python docs/draw.py            draw what has changed; needs `mmdc` (npm: @mermaid-js/mermaid-cli) and a Chromium
    python docs/draw.py --check    say which drawings are not of the blocks as they are, and exit with 1

Each drawing ends with the digest of what it was drawn from.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

DOCS = Path(__file__).resolve().parent
BLOCK = re.compile(r"^```mermaid\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Text as text, not as HTML inside the picture, which a page would not show in an image.
_LOOK = {
    "theme": "neutral",
    "htmlLabels": False,
    "flowchart": {"htmlLabels": False},
    "deterministicIds": True,
}


def drawings() -> Iterator[tuple[Path, str]]:
    """Yield where each block's drawing is, and the block."""
    for page in sorted(DOCS.rglob("*.md")):
        for number, block in enumerate(BLOCK.findall(page.read_text()), start=1):
            yield drawing_of(page, number), block


def drawing_of(page: Path, number: int) -> Path:
    """Return where the drawing of a page's block is, counted from 1."""
    return DOCS / "images" / f"{page.stem}-{number}.svg"


def is_of(drawing: Path, block: str) -> bool:
    """Tell whether a drawing is of the block as it is now."""
    return drawing.exists() and drawing.read_text().rstrip().endswith(_mark(block))


def _mark(block: str) -> str:
    return f"<!-- drawn from {sha256(block.encode()).hexdigest()} -->"


def _draw(drawing: Path, block: str) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if shutil.which("mmdc") is None or chromium is None:
        sys.exit("mmdc and a Chromium are needed: npm install @mermaid-js/mermaid-cli")
    with tempfile.TemporaryDirectory() as folder:
        source, look, browser, output = (
            Path(folder) / name for name in ("s.mmd", "l", "b", "o.svg")
        )
        source.write_text(block)
        look.write_text(json.dumps(_LOOK))
        browser.write_text(json.dumps({"executablePath": chromium, "args": ["--no-sandbox"]}))
        subprocess.run(
            [
                "mmdc",
                "--quiet",
                "-i",
                source,
                "-o",
                output,
                "-c",
                look,
                "-p",
                browser,
                "-b",
                "white",
            ],
            check=True,
            env=os.environ | {"HOME": folder},
        )
        drawing.write_text(f"{output.read_text().rstrip()}\n{_mark(block)}\n")


def main() -> int:
    """Draw what has changed, or say what has."""
    stale = [(drawing, block) for drawing, block in drawings() if not is_of(drawing, block)]
    for drawing, block in stale:
        sys.stdout.write(f"{drawing.relative_to(DOCS.parent)}\n")
        if "--check" not in sys.argv[1:]:
            _draw(drawing, block)
    return int("--check" in sys.argv[1:] and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
