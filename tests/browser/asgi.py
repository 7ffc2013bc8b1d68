"""The project under ASGI, with its static files."""

from __future__ import annotations

import warnings

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

warnings.filterwarnings(
    "ignore", message="StreamingHttpResponse must consume synchronous iterators"
)
application = ASGIStaticFilesHandler(get_asgi_application())
