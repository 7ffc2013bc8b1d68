"""The ASGI entry point; loaded by the web server."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jost.settings.development")

application = get_asgi_application()
