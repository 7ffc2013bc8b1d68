"""The WSGI entry point; loaded by the web server."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jost.settings.development")

application = get_wsgi_application()
