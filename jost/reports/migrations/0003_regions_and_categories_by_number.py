"""Regions and categories by their numbers; sales that are there keep theirs."""

from typing import Any

from django.db import migrations, models

REGIONS = ("Africa", "Asia", "Europe", "North America", "Oceania", "South America")
CATEGORIES = ("Books", "Cards", "Chips", "Clothing", "Furniture", "Lamps", "Music", "Toys")


def number(apps: Any, editor: Any) -> None:
    """Write the number of each word in its place, still as text."""
    sales = apps.get_model("reports", "Sale").objects.using(editor.connection.alias)
    for position, word in enumerate(REGIONS, start=1):
        sales.filter(region=word).update(region=str(position))
    for position, word in enumerate(CATEGORIES, start=1):
        sales.filter(category=word).update(category=str(position))


def name(apps: Any, editor: Any) -> None:
    """Write the words again."""
    sales = apps.get_model("reports", "Sale").objects.using(editor.connection.alias)
    for position, word in enumerate(REGIONS, start=1):
        sales.filter(region=str(position)).update(region=word)
    for position, word in enumerate(CATEGORIES, start=1):
        sales.filter(category=str(position)).update(category=word)


class Migration(migrations.Migration):
    dependencies = [("reports", "0002_jobs")]

    operations = [
        migrations.RunPython(number, name),
        migrations.AlterField(
            model_name="sale",
            name="region",
            field=models.PositiveSmallIntegerField(
                choices=list(enumerate(REGIONS, start=1)),
            ),
        ),
        migrations.AlterField(
            model_name="sale",
            name="category",
            field=models.PositiveSmallIntegerField(
                choices=list(enumerate(CATEGORIES, start=1)),
            ),
        ),
    ]
