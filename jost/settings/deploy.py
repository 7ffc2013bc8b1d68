"""What `manage.py holdfast render` is told of JOST's deployment; queues, pools and limits it reads itself."""

from __future__ import annotations

from typing import Any

DEPLOY: dict[str, Any] = {
    "settings": "jost.settings.production",
    "workspace_settings": "jost.settings.development",
    # As the settings page documents it.
    "nix_port_variable": "NIX_DAPHNE_PORT",
    # For Flower, which shows nothing else; the console needs none of it.
    "task_events": True,
    # Whom Alertmanager tells; addresses and keys are files among the secrets.
    "monitoring": {"slack": "#operations", "pagerduty": True},
    "environment": {
        # Compiled once for all processes of a container, in a folder that may be written to.
        "NUMBA_CACHE_DIR": "/tmp/numba",  # noqa: S108
    },
    "image": {
        # hatchling is in the lock: nothing is fetched that has no hash.
        "install": "--no-deps --no-build-isolation .",
        "data": "/data",
        # No part of a deployment: what the settings ask for before they load.
        "build_environment": {
            "API_HOST": "localhost",
            "DATABASE_URL": "postgresql://nobody@localhost/none",
            "CELERY_BROKER_URL": "redis://localhost/0",
            "DJANGO_SECRET_KEY": "for-collectstatic-only",
        },
    },
}
