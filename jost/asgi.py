"""The ASGI entry point; loaded by the web server."""

import os
import warnings

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jost.settings.development")
# Each request has a thread of its own here, and what a thread keeps open is gone with it.
os.environ.setdefault("DATABASE_POOL", "20")

# Static files are sent whole under ASGI: they are small, and a proxy serves them where it matters.
warnings.filterwarnings(
    "ignore", message="StreamingHttpResponse must consume synchronous iterators"
)

application = get_asgi_application()
