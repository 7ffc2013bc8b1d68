"""Settings of the test process: JOST, and beside it the project the product is tested with."""

from typing import Any, cast

from jost.settings.test import *  # noqa: F403
from jost.settings.test import DATABASES, INSTALLED_APPS
from tests import settings as product

INSTALLED_APPS = [*INSTALLED_APPS, *product.TASKS_API, "tests.project"]
TASKS = product.TASKS
DATABASES = {**DATABASES, "other": cast("dict[str, Any]", product.DATABASES["other"])}
