"""Settings of the web processes of a scenario."""

from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.chaos.web"
ALLOWED_HOSTS = ["127.0.0.1"]
