"""Where a caller gets a token for its password."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authtoken.views import ObtainAuthToken
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.permissions import AllowAny

from .bodies import JsonParser
from .rates import ScopedRate


class TokenSerializer(serializers.Serializer[Any]):
    """What opens the API."""

    token = serializers.CharField()


@extend_schema(
    tags=["accounts"],
    summary="Get a token for a name and a password",
    description="It is sent as `Authorization: Token ...` from then on.",
    responses=TokenSerializer,
)
class TokenView(ObtainAuthToken):
    permission_classes = (AllowAny,)
    parser_classes = (FormParser, MultiPartParser, JsonParser)
    throttle_classes = (ScopedRate,)
    throttle_scope = "token"


urlpatterns = [path("token/", login_not_required(TokenView.as_view()), name="token")]
