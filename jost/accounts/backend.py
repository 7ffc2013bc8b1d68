"""Who signs in is known by a mail address, in whatever case it is written; used by web processes."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.http import HttpRequest


class AddressBackend(ModelBackend):
    """As Django's; a name that is none is tried in small letters, as sign-up keeps addresses."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        user = super().authenticate(request, username=username, password=password, **kwargs)
        if user is not None or not username or username == username.lower():
            return user
        return super().authenticate(request, username=username.lower(), password=password, **kwargs)
