"""How accounts look in REST, and what is said of them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import password_validation
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from jost.api.strict import StrictMixin, StrictSerializer

from . import services
from .forms import LONGEST_ADDRESS


@extend_schema_serializer(
    examples=[OpenApiExample("An address", {"email": "ada@example.com"}, request_only=True)]
)
class SignUpSerializer(StrictSerializer):
    """The address that a mail is to go to."""

    email = serializers.EmailField(max_length=LONGEST_ADDRESS)


class ActivationSerializer(StrictSerializer):
    """What the link of the mail ends in, and the password to have from now on."""

    token = serializers.CharField(max_length=200)
    password = serializers.CharField(max_length=4096, write_only=True, trim_whitespace=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        try:
            user = services.account_by(attrs["token"]).user
        except services.LinkError as reason:
            raise serializers.ValidationError({"token": [str(reason)]}) from None
        try:
            password_validation.validate_password(attrs["password"], user)
        except ValidationError as reason:
            raise serializers.ValidationError({"password": reason.messages}) from None
        return attrs


class ProfileSerializer(StrictMixin, serializers.ModelSerializer[User]):
    """Who somebody is; the address stays what the mail went to."""

    # Who was made by a command may have none.
    email = serializers.CharField(read_only=True, help_text="Empty if there is none.")

    class Meta:
        model = User
        fields = ["username", "email", "first_name", "last_name", "date_joined"]
        read_only_fields = ["username", "email", "date_joined"]
