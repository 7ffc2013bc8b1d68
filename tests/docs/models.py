"""Makes the diagrams of docs/jost-leads.md and its like from the models of JOST's apps.

python -m tests.docs.models --write
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from django.db.models import Field, Model

# The page of each app, by its label.
PAGES = {
    "lead": "jost-leads.md",
    "orders": "jost-orders.md",
    "accounts": "jost-accounts.md",
    "imports": "jost-imports.md",
    "reports": "jost-reports.md",
}
BEGIN = "<!-- made by `python -m tests.docs.models --write` -->"
END = "<!-- end of what is made -->"
_TYPES = {
    "BigAutoField": "bigint",
    "BigIntegerField": "bigint",
    "BinaryField": "bytes",
    "BooleanField": "boolean",
    "CharField": "text",
    "DateField": "date",
    "DateTimeField": "timestamp",
    "DecimalField": "decimal",
    "EmailField": "text",
    "FileField": "text",
    "ForeignKey": "bigint",
    "JSONField": "json",
    "OneToOneField": "bigint",
    "PositiveBigIntegerField": "bigint",
    "PositiveIntegerField": "integer",
    "PositiveSmallIntegerField": "smallint",
}


def page_with(label: str) -> str:
    """Return an app's page with what lies between the marks replaced."""
    before, _, rest = (ROOT / "docs" / PAGES[label]).read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{_render(label)}\n\n{END}{after}"


def _render(label: str) -> str:
    from django.apps import apps

    models = list(apps.get_app_config(label).get_models())
    lines = ["```mermaid", "erDiagram"]
    for model in models:
        lines.append(f"    {model.__name__} {{")
        lines += [f"        {line}" for line in _columns(model)]
        lines.append("    }")
    for model in models:
        lines += [f"    {line}" for line in _relations(model)]
    return "\n".join([*lines, "```"])


def _columns(model: type[Model]) -> Iterator[str]:
    from django.db.models import UniqueConstraint

    rules = model._meta.constraints
    together = [set(each.fields) for each in rules if isinstance(each, UniqueConstraint)]
    for field in _fields(model):
        keys = [
            key
            for key, holds in (
                ("PK", field.primary_key),
                ("FK", field.is_relation),
                ("UK", field.unique and not field.primary_key),
            )
            if holds
        ]
        told = ['"unique together"'] if any(field.name in names for names in together) else []
        words = [_TYPES[type(field).__name__], field.column or field.name, ", ".join(keys), *told]
        yield " ".join(words).strip()


def _relations(model: type[Model]) -> Iterator[str]:
    for field in _fields(model):
        if field.is_relation:
            other: Any = field.related_model
            many = "o|" if field.unique else "o{"
            one = "|o" if field.null else "||"
            yield f"{other.__name__} {one}--{many} {model.__name__} : {field.name}"


def _fields(model: type[Model]) -> list[Field[Any, Any]]:
    return list(model._meta.local_fields)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jost.settings.test")
    import django

    django.setup()
    for label, page in PAGES.items():
        made = page_with(label)
        if "--write" in sys.argv:
            (ROOT / "docs" / page).write_text(made)
        else:
            sys.stdout.write(made)
