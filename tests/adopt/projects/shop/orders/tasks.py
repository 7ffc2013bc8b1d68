import os

from celery import chain, shared_task
from django.core.cache import cache
from django.db import transaction


def note(text):
    with open(os.environ["EFFECTS"], "a") as effects:
        effects.write(f"{text}\n")


@shared_task(bind=True, max_retries=5)
def ship(self, order):
    if self.request.retries == 0 and order % 10 == 7:
        raise self.retry(countdown=1)
    note(f"ship {order}")
    return order


@shared_task(ignore_result=True, rate_limit="1000/m")
def mail(order):
    note(f"mail {order}")


@shared_task
def tidy():
    if not cache.add("tidy", "1", 60):
        return
    note("tidy")


def sell(order):
    """Ship, then write a mail, and another one later."""
    transaction.on_commit(lambda: chain(ship.s(order), mail.si(order)).apply_async())
    transaction.on_commit(lambda: mail.apply_async((order,), countdown=1))
