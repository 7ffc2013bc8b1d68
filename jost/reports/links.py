"""Links to files of reports: signed, good for a short time, and for the owner alone."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import AnonymousUser, User
from django.core import signing

from jost.api.owners import visible_to

from .models import Report, ReportFile

LINK_LASTS = timedelta(minutes=15)
_SALT = "jost.reports.file"


class LinkExpiredError(ValueError):
    """The link was good once; the report's page has a new one."""

    def __init__(self) -> None:
        super().__init__("This link is too old. The page of the report has a new one.")


def link_token(file: ReportFile) -> str:
    """What a link to the file ends in, from now on for `LINK_LASTS`."""
    return signing.dumps(file.pk, salt=_SALT)


def file_by(token: str, *, user: User | AnonymousUser) -> ReportFile:
    """The file that a link is for, if its report is the user's.

    Raises `LinkExpiredError`, and `ReportFile.DoesNotExist` for what is no link, somebody else's or
    deleted: these cannot be told apart.
    """
    try:
        number = signing.loads(token, salt=_SALT, max_age=LINK_LASTS)
    except signing.SignatureExpired:
        raise LinkExpiredError from None
    except signing.BadSignature:
        raise ReportFile.DoesNotExist("This is no link.") from None
    mine = visible_to(user, Report.objects.all())
    return ReportFile.objects.get(pk=number, report__in=mine)
