"""How an account begins: recorded with its mail's job in one transaction, and used by who can read the mail."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core import signing
from django.db import transaction
from django.utils import timezone
from rest_framework.authtoken.models import Token

from holdfast.logs import correlation_id

from .models import Account, Mail

# Between two mails to one address, whoever asks and however often.
MAIL_PAUSE = timedelta(minutes=2)
LINK_LASTS = timedelta(days=3)
_SALT = "jost.accounts.activation"


class LinkError(ValueError):
    """The link was changed, is too old or was used; the message says which."""


def sign_up(email: str, *, site: str) -> None:
    """Ask for a mail to this address: a link for a new account, a word to who has one already.

    User, account, mail and its job commit together. The caller learns nothing of which it was, nor
    whether a mail was asked for a moment ago and none is sent now.
    """
    with transaction.atomic():
        account = _account_of(email.lower())
        if _gets_a_mail(account):
            _ask_for_mail(account, site=site)


def _account_of(email: str) -> Account:
    nobody_yet = {"email": email, "is_active": False, "password": make_password(None)}
    # The row lock: of two who ask at once, the second sees the mail of the first, and nobody forgets
    # the account meanwhile. Whoever locks the account locks its user before.
    users = User.objects.select_for_update()
    user, is_new = users.get_or_create(username=email, defaults=nobody_yet)
    # Somebody else may have made the user, who is then active, or was switched off on purpose.
    since = None if is_new else user.date_joined
    account, _ = Account.objects.get_or_create(user=user, defaults={"activated_at": since})
    return account


def _gets_a_mail(account: Account) -> bool:
    user = account.user
    if not user.email or (account.activated_at is not None and not user.is_active):
        return False
    lately = timezone.now() - MAIL_PAUSE
    return not account.mails.filter(asked_at__gt=lately).exists()


def _ask_for_mail(account: Account, *, site: str) -> None:
    from . import mails, tasks  # they import this module

    is_known = account.activated_at is not None
    mail = Mail.objects.create(
        account=account,
        number=account.mails.count() + 1,
        kind=Mail.Kind.KNOWN if is_known else Mail.Kind.ACTIVATION,
        site=site,
        correlation=correlation_id(),
        look_at=timezone.now() + mails.UNSENT_AFTER,
    )
    tasks.send_mail.delay(mail.pk)


def link_token(account: Account) -> str:
    """What the link of this account's mail ends in."""
    return signing.dumps(account.pk, salt=_SALT)


def account_by(token: str) -> Account:
    """The account that a link is for; raises `LinkError`."""
    try:
        number = signing.loads(token, salt=_SALT, max_age=LINK_LASTS)
    except signing.SignatureExpired:
        raise LinkError("This link is too old.") from None
    except signing.BadSignature:
        raise LinkError("This link is not complete, or was changed.") from None
    account = Account.objects.select_related("user").filter(pk=number).first()
    if account is None or account.activated_at is not None:
        raise LinkError("This link was used already.")
    return account


def activate(token: str, *, password: str) -> User:
    """Let the owner of the link in, with this password; once, raises `LinkError`.

    The password is chosen here and not at sign-up: who asked for the mail may be somebody else than
    who reads it.
    """
    with transaction.atomic():
        account = account_by(token)
        user = User.objects.select_for_update().get(pk=account.user_id)
        if not Account.objects.filter(pk=account.pk, activated_at=None).update(
            activated_at=timezone.now()
        ):
            raise LinkError("This link was used already.")
        user.set_password(password)
        user.is_active = True
        user.save(update_fields=["password", "is_active"])
    return user


def new_token(user: User) -> str:
    """Make the token by which a user's programs sign in; the one before is worth nothing from now on."""
    with transaction.atomic():
        # The row lock: of two who ask at once, the second replaces the token of the first.
        User.objects.select_for_update().get(pk=user.pk)
        Token.objects.filter(user=user).delete()
        return str(Token.objects.create(user=user).key)
