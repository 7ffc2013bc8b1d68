"""Makes the tables of docs/reference/console-api.md from the description that the console gives of itself (OpenAPI).

python -m tests.docs.console_api --write
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "reference" / "console-api.md"
BEGIN = "<!-- made by `python -m tests.docs.console_api --write` -->"
END = "<!-- end of what is made -->"
_ROLES = {"view_console": "view", "operate_console": "operate", "administer_console": "administer"}


def render() -> str:
    """Return everything between the two marks."""
    from django.utils import translation

    from holdfast.console import urls  # noqa: F401  # registers every page
    from holdfast.console.openapi import document

    with translation.override("en"):
        found = document("/holdfast/")
    looks = ["## What can be looked at", "", "| GET | shows | asked by | answers |"]
    looks += ["| --- | --- | --- | --- |", *_looks(found)]
    acts = ["## What can be done", "", "| POST | does | needs | fields |"]
    acts += ["| --- | --- | --- | --- |", *_acts(found)]
    return "\n".join([*looks, "", *acts])


def page_with(rendered: str) -> str:
    """Return the page with what lies between the marks replaced."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{rendered}\n\n{END}{after}"


def _looks(found: dict[str, Any]) -> Iterator[str]:
    for path, made in sorted(found["paths"].items()):
        if look := made.get("get"):
            asked = [one["name"] for one in look["parameters"] if one["in"] == "query"]
            schema = look["responses"]["200"]["content"]["application/json"]["schema"]
            name = schema.get("$ref", "").rpartition("/")[2]
            parts = found["components"]["schemas"].get(name, {}).get("properties", {})
            yield _row(f"`{path}`", look["description"], _names(asked), _names(parts))


def _acts(found: dict[str, Any]) -> Iterator[str]:
    for path, made in sorted(found["paths"].items()):
        if act := made.get("post"):
            form = act.get("requestBody", {}).get("content", {}).get("application/json", {})
            schema = form.get("schema", {"properties": {}, "required": []})
            asked = [
                f"{one}*" if one in schema["required"] else one for one in schema["properties"]
            ]
            role = act["x-needs"].rpartition(".")[2]
            says = f"{act['summary']}. {act['description']}".replace("?.", "?")
            yield _row(f"`{path}`", says, _ROLES.get(role, role), _names(asked))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _names(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django_settings")
    import django

    django.setup()
    page = page_with(render())
    if "--write" in sys.argv:
        PAGE.write_text(page)
    else:
        sys.stdout.write(page)
