"""Operations that answer with a file."""

from __future__ import annotations

from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request


class WhateverIsAccepted(BaseContentNegotiation):
    """The file is of one kind; whoever asks for that is told in JSON why there is none."""

    def select_parser(self, _request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, _request: Request, renderers: Any, _suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


# Of an action, besides what it is called and where it is.
FILE: dict[str, Any] = {
    "content_negotiation_class": WhateverIsAccepted,
    "filter_backends": [],
    "pagination_class": None,
}
