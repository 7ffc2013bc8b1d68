"""The deployment checklist, what Django's settings say: debug pages, keys, hosts, HTTPS, logs, errors."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from typing import Any

from holdfast.doctor.findings import Finding, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import probe
from holdfast.doctor.wording import named

DEBUG_ON = define(
    "holdfast.E701",
    title="DEBUG is on",
    leads_to="Error pages show settings and variables to everybody, and every process keeps each statement it sends "
    "in memory.",
    repair="DEBUG = False",
)
WEAK_KEY = define(
    "holdfast.E702",
    title="SECRET_KEY can be guessed",
    leads_to="Whoever guesses it can sign in as anybody, and sign tickets that workers run.",
    repair="Make one and give it by the environment: python -c 'import secrets; print(secrets.token_urlsafe(64))'",
)
ANY_HOST = define(
    "holdfast.E703",
    title="ALLOWED_HOSTS names nobody, or everybody",
    leads_to="Without one Django answers nothing; with '*' links in mails and caches can be led to another host.",
    repair='ALLOWED_HOSTS = ["jobs.example.com"]',
)
COOKIES_IN_CLEAR = define(
    "holdfast.W704",
    title="Cookies are sent without HTTPS too",
    leads_to="Whoever is in between can take over the session of whoever looks at the console.",
    repair="SESSION_COOKIE_SECURE = True and CSRF_COOKIE_SECURE = True",
)
NO_HTTPS = define(
    "holdfast.W705",
    title="Nothing leads to HTTPS",
    leads_to="Passwords, and arguments that the console shows, go over the network in clear.",
    repair="SECURE_SSL_REDIRECT = True; behind a proxy SECURE_PROXY_SSL_HEADER = "
    '("HTTP_X_FORWARDED_PROTO", "https") as well.',
)
NO_HSTS = define(
    "holdfast.I706",
    title="Browsers are not told to keep to HTTPS",
    leads_to="The first request of each visit can be led astray.",
    repair="SECURE_HSTS_SECONDS = 31536000, once all of the site works over HTTPS.",
)
LOGS_ALL = define(
    "holdfast.W707",
    title="The log takes everything",
    leads_to="Statements with their values and arguments of tasks are in it, and it fills disks.",
    repair="Set the level of the logger to INFO in LOGGING.",
)
NOBODY_IS_TOLD = define(
    "holdfast.I708",
    title="Nobody is told of errors",
    leads_to="A job that fails for good is found by whoever looks into the console.",
    repair="Set up an error tracker such as Sentry in the settings, or ADMINS with the handler mail_admins.",
)
DEVELOPERS_TOOLS = define(
    "holdfast.W709",
    title="Tools for development are installed in a deployment",
    leads_to="They show settings and statements, slow down each request, and some run code that is sent to them.",
    repair="Add them to INSTALLED_APPS and MIDDLEWARE in the settings of development alone.",
)
ANYBODY_FROM_ANYWHERE = define(
    "holdfast.W710",
    title="Pages of every site may call this one with the user's cookies",
    leads_to="A page that an operator visits can read and press what the operator may.",
    repair="CORS_ALLOWED_ORIGINS = [...] in place of CORS_ALLOW_ALL_ORIGINS.",
)
SHORT_SIGNING_KEY = define(
    "holdfast.E711",
    title="A key that signs tickets can be guessed",
    leads_to="Whoever can write to the broker and guesses it can run any job again, at any time.",
    repair='HOLDFAST["signing_keys"] = [a new one, the old one]: secrets.token_urlsafe(32) makes one.',
)
NO_SIGN_OF_LIFE = define(
    "holdfast.I712",
    title="No supervisor can see whether a worker is alive",
    leads_to="One that hangs is not restarted.",
    repair='HOLDFAST["alive_file"] = "/tmp/holdfast-%n", and a probe of its age: see docs/guides/workers.md.',
)
FEWEST_SIGNS, FEWEST_DIFFERENT = 32, 8
# Words that examples and templates use for a key.
_EXAMPLE = re.compile(r"insecure|change.?me|secret.?key|example|your.?key|todo|xxx", re.IGNORECASE)
_TOOLS = (
    "debug_toolbar",
    "silk",
    "django_extensions",
    "django_browser_reload",
    "django_pdb",
    "werkzeug_debugger_runserver",
)
_DEBUGGERS = ("debugpy", "pydevd", "rpdb", "web_pdb")
_DEPLOY: dict[str, Any] = {"area": "deploy", "live": False, "deploy": True}


@probe(finds=[DEBUG_ON, WEAK_KEY, ANY_HOST, SHORT_SIGNING_KEY], **_DEPLOY)
def keys_and_hosts(look: Look) -> Iterator[Finding]:
    """Whether strangers are shown errors, and what a guess would give them."""
    settings = look.django
    if settings.DEBUG:
        yield DEBUG_ON.seen("DEBUG is True.")
    if why := _weakness(str(settings.SECRET_KEY)):
        yield WEAK_KEY.seen(f"SECRET_KEY {why}.")
    hosts = list(settings.ALLOWED_HOSTS)
    if not hosts or "*" in hosts:
        yield ANY_HOST.seen(f"ALLOWED_HOSTS is {hosts!r}.", hosts=hosts)
    for place, key in enumerate(look.settings.signing_keys, start=1):
        if len(key) < FEWEST_SIGNS:
            yield SHORT_SIGNING_KEY.seen(
                f"Number {place} of HOLDFAST['signing_keys'] has {len(key)} characters; {FEWEST_SIGNS} are enough.",
                about=str(place),
            )


@probe(finds=[COOKIES_IN_CLEAR, NO_HTTPS, NO_HSTS, ANYBODY_FROM_ANYWHERE], **_DEPLOY)
def traffic_is_encrypted(look: Look) -> Iterator[Finding]:
    """What of the web traffic may go in clear, and to whom cookies go."""
    settings = look.django
    clear = [
        name
        for name in ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE")
        if not getattr(settings, name)
    ]
    if clear:
        yield COOKIES_IN_CLEAR.seen(f"{named(clear)} off.", settings=clear)
    if not settings.SECURE_SSL_REDIRECT and not settings.SECURE_PROXY_SSL_HEADER:
        yield NO_HTTPS.seen("SECURE_SSL_REDIRECT is off, and SECURE_PROXY_SSL_HEADER is not set.")
    if not settings.SECURE_HSTS_SECONDS:
        yield NO_HSTS.seen("SECURE_HSTS_SECONDS is 0.")
    everybody = [
        name
        for name in ("CORS_ALLOW_ALL_ORIGINS", "CORS_ORIGIN_ALLOW_ALL")
        if getattr(settings, name, False)
    ]
    if everybody and getattr(settings, "CORS_ALLOW_CREDENTIALS", False):
        yield ANYBODY_FROM_ANYWHERE.seen(f"{everybody[0]} and CORS_ALLOW_CREDENTIALS are on.")


@probe(finds=[LOGS_ALL, NOBODY_IS_TOLD, DEVELOPERS_TOOLS, NO_SIGN_OF_LIFE], **_DEPLOY)
def errors_are_noticed(look: Look) -> Iterator[Finding]:
    """What is logged, who hears of errors and of hung workers, and what belongs to development."""
    settings = look.django
    chatty = [
        name or "the root logger"
        for name in ("", "django", "django.db.backends", "celery", "kombu", "holdfast")
        if logging.getLogger(name).level == logging.DEBUG
    ]
    if chatty:
        yield LOGS_ALL.seen(f"The level is DEBUG of {named(chatty)}.", loggers=chatty)
    tracked = any(
        name in sys.modules
        for name in ("sentry_sdk", "rollbar", "bugsnag", "honeybadger", "newrelic")
    )
    if not tracked and not settings.ADMINS:
        yield NOBODY_IS_TOLD.seen("No error tracker is imported, and ADMINS is empty.")
    tools = [app for app in settings.INSTALLED_APPS if app.split(".")[0] in _TOOLS]
    tools += [name for name in _DEBUGGERS if name in sys.modules]
    if tools:
        yield DEVELOPERS_TOOLS.seen(f"{named(tools)}.", tools=tools)
    if not look.settings.alive_file:
        yield NO_SIGN_OF_LIFE.seen("HOLDFAST['alive_file'] is empty.")


def _weakness(key: str) -> str:
    """Say what is wrong with a key, without any of it."""
    if len(key) < FEWEST_SIGNS:
        return f"has {len(key)} characters; Django makes 50"
    if len(set(key)) < FEWEST_DIFFERENT:
        return f"has {len(set(key))} different characters"
    if key.startswith("django-insecure-") or _EXAMPLE.search(key):
        return "reads like the one of an example or of startproject"
    return ""
