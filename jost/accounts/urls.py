"""Where the pages of accounts are."""

from django.urls import path

from . import views

app_name = "accounts"

urlpatterns = [
    path("", views.profile, name="profile"),
    path("token/", views.token, name="token"),
    path("sign-up/", views.sign_up, name="sign-up"),
    path("asked/", views.asked, name="asked"),
    path("activate/<str:token>/", views.activate, name="activate"),
    path("password/<uidb64>/<token>/", views.NewPasswordView.as_view(), name="new-password"),
]
