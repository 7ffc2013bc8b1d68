"""The app of accounts."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "jost.accounts"
    verbose_name = "Accounts"
