"""Where the REST resources of accounts are."""

from django.contrib.auth.decorators import login_not_required
from django.urls import path

from . import api

app_name = "accounts-api"

urlpatterns = [
    path("", login_not_required(api.SignUpView.as_view()), name="sign-up"),
    path("activate/", login_not_required(api.ActivationView.as_view()), name="activate"),
    path("me/", api.ProfileView.as_view(), name="profile"),
]
