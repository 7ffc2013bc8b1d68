"""The REST API: who may call it, how often, and how it is described; the same in every stage."""

from __future__ import annotations

from typing import Any

_FONTS = "system-ui, sans-serif"
_DESCRIPTION = """\
The reference project of Holdfast: what is asked for here is done by durable jobs.

**Who may call**: where JOST asks for a login, everybody who has one, by `Authorization: Token ...`, by the session of
the pages, which needs its CSRF token to change anything, or by HTTP Basic. Simulations, studies, orders, imports and
reports are their owner's and the staff's: anybody else's are not found. Leads and products are everybody's.

**How often**: one caller 1,200 times a minute, an address without a login 600 times, and less often where an
operation says so. Then the answer is 429, with `Retry-After`. Each web process counts for itself.

**Lists** have `limit` and `offset`, `order_by` and `order_dir`. What is wrong in a request is told by field, with what
would be right.
"""

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_SCHEMA_CLASS": "jost.api.schema.Schema",
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
        "rest_framework.authentication.BasicAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["jost.access.SignedIn"],
    # JSON alone: a form on somebody else's site cannot send it without asking first.
    "DEFAULT_PARSER_CLASSES": ["jost.api.bodies.JsonParser"],
    "EXCEPTION_HANDLER": "jost.api.refusals.refused",
    "DEFAULT_PAGINATION_CLASS": "jost.api.pages.Pages",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": [
        "django_filters.rest_framework.DjangoFilterBackend",
        "jost.api.listing.Order",
    ],
    # Of one caller at one web process. A page that is watched asks twice a second.
    "DEFAULT_THROTTLE_CLASSES": [
        "jost.api.rates.StrangerRate",
        "jost.api.rates.UserRate",
        "jost.api.rates.ScopedRate",
    ],
    "DEFAULT_THROTTLE_RATES": {
        "anon": "600/min",
        "user": "1200/min",
        "token": "10/min",
        # What is worked out while the caller waits.
        "heavy": "30/min",
        # What keeps workers busy for minutes.
        "simulations": "30/min",
        "uploads": "30/min",
        "checkout": "60/min",
        # Mails to addresses that anybody may type, and guesses at their links.
        "mail": "20/min",
    },
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}


SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "JOST",
    "DESCRIPTION": _DESCRIPTION,
    "VERSION": "1",
    # Its schemas are JSON Schema as it stands, which the files of rules and answers are written in.
    "OAS_VERSION": "3.1.0",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "jost.simulations.api.documents.add_json_schemas",
        "jost.api.schema.add_refusals",
    ],
    "ENUM_NAME_OVERRIDES": {
        "FollowupState": "jost.leads.models.Followup.State",
        "ImportState": "jost.imports.models.Import.State",
        "ItemState": "jost.orders.models.OrderItem.State",
        "LeadStatus": "jost.leads.models.Status",
        "OrderState": "jost.orders.models.Order.State",
        "ReportState": "jost.reports.models.Report.State",
        "SimulationState": "jost.simulations.models.Simulation.State",
        "StudyKind": "jost.simulations.models.Study.Kind",
        "TrueCount": "jost.simulations.engine.counting.TRUE_COUNTS",
    },
    "TAGS": [
        {"name": "accounts", "description": "Sign-up by mail, tokens, one's own profile."},
        {"name": "imports", "description": "CSV files, row by row, once."},
        {"name": "leads", "description": "Who may become a customer, and the messages they get."},
        {"name": "orders", "description": "A shop whose money is taken once."},
        {
            "name": "reports",
            "description": "What was sold, made by jobs or while the caller waits.",
        },
        {"name": "simulations", "description": "Blackjack, counted by jobs to the same bits."},
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["jost.access.SignedIn"],
    # Scripts and fonts come from here, and nobody else's server is asked what it thinks of the schema.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "REDOC_DIST": "SIDECAR",
    "REDOC_UI_SETTINGS": {
        "theme": {"typography": {"fontFamily": _FONTS, "headings": {"fontFamily": _FONTS}}}
    },
}
