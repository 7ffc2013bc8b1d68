"""Settings of JOST on a site of the tests: its database, its broker and its short leases come by environment."""

from typing import Any, cast

from jost.settings.test import *  # noqa: F403
from jost.settings.test import HOLDFAST as OF_JOST
from tests import settings as product

DATABASES = {"default": cast("dict[str, Any]", product.DATABASES["default"])}
CELERY_BROKER_URL = product.CELERY_BROKER_URL
HOLDFAST = OF_JOST | product.HOLDFAST
