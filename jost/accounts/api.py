"""Accounts over REST: sign up, activate, one's own profile."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from jost.api.strict import ErrorSerializer

from . import services
from .rates import MailRate
from .serializers import ActivationSerializer, ProfileSerializer, SignUpSerializer

ASKED = "A mail is on its way, unless one was sent a moment ago."


class SignUpView(generics.GenericAPIView[Any]):
    serializer_class = SignUpSerializer
    permission_classes = [AllowAny]
    throttle_classes = [MailRate]

    @extend_schema(
        summary="Ask for an account, or for another mail; a known address gets the same answer",
        responses={202: ErrorSerializer},
    )
    def post(self, request: Request) -> Response:
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        site = request.build_absolute_uri("/")[:-1]
        services.sign_up(asked.validated_data["email"], site=site)
        return Response({"detail": ASKED}, status.HTTP_202_ACCEPTED)


class ActivationView(generics.GenericAPIView[Any]):
    serializer_class = ActivationSerializer
    permission_classes = [AllowAny]
    throttle_classes = [MailRate]

    @extend_schema(
        summary="Choose the password of an account whose mail one can read",
        responses={200: ProfileSerializer},
    )
    def post(self, request: Request) -> Response:
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        try:
            user = services.activate(**asked.validated_data)
        except services.LinkError as reason:
            raise ValidationError({"token": [str(reason)]}) from None
        return Response(ProfileSerializer(user).data)


class ProfileView(generics.RetrieveUpdateAPIView[User]):
    serializer_class = ProfileSerializer
    permission_classes = [IsAuthenticated]
    http_method_names = ["get", "patch", "head", "options"]

    @extend_schema(summary="Read one's own profile")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(summary="Change one's own name")
    def patch(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().patch(request, *args, **kwargs)

    def get_object(self) -> User:
        user = self.request.user
        assert isinstance(user, User)
        return user
