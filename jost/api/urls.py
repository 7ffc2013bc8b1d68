"""Where a caller gets a token for its password."""

from django.contrib.auth.decorators import login_not_required
from django.urls import path
from rest_framework.authtoken.views import ObtainAuthToken

from .rates import ScopedRate


class TokenView(ObtainAuthToken):
    """Give a token for a name and a password; it is sent as `Authorization: Token ...`."""

    throttle_classes = (ScopedRate,)
    throttle_scope = "token"


urlpatterns = [path("token/", login_not_required(TokenView.as_view()), name="token")]
