"""How the pages of this repository become a site: `make site` builds it, and fails at any warning.

The pages are written to be read where they are, with links to each other and to the source. They are built from the
repository's root, so that every link between them holds in both places.
"""

from __future__ import annotations

import os
import sys
import tomllib
from itertools import count
from pathlib import Path

import django
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from draw import BLOCK, drawing_of  # noqa: E402  # it stands beside this file

project = "Holdfast"
author = "The Holdfast authors"
copyright = "2026, The Holdfast authors"
release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

root_doc = "docs/index"
include_patterns = ["*.md", "docs/**", "deploy/*.md", "deploy/**/*.md"]
exclude_patterns = ["docs/conf.py", "docs/_build", "docs/_static", "docs/images", "docs/examples"]
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]

# Headings get the anchors that code hosts give them.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]

# The reference of the Python names is read from their docstrings; importing them needs Django's settings.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jost.settings.test")
django.setup()
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
default_role = "literal"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"Holdfast {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
copybutton_exclude = ".linenos, .gp, .go"


def _show_drawings(_app: Sphinx, page: str, source: list[str]) -> None:
    """Put the drawing in the place of each Mermaid block."""
    numbers = count(1)

    def image(_match: object) -> str:
        drawing = drawing_of(Path(page), next(numbers))
        return f"![{page.rpartition('/')[2]}](/{drawing.relative_to(ROOT).as_posix()})"

    source[0] = BLOCK.sub(image, source[0])


def setup(app: Sphinx) -> None:
    """Connect what this file defines."""
    app.connect("source-read", _show_drawings)
