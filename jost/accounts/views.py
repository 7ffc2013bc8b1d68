"""The pages of accounts: sign up, the link of the mail, and one's own profile."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required, login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from rest_framework.authtoken.models import Token

from . import services
from .forms import ActivationForm, NewPasswordForm, ProfileForm, SignUpForm
from .rates import MailRate

read_or_write = require_http_methods(["GET", "HEAD", "POST"])


@login_not_required
@read_or_write
def sign_up(request: HttpRequest) -> HttpResponse:
    """Take an address; the answer is the same whether it is known or not."""
    form = SignUpForm(request.POST or None)
    if request.method != "POST":
        return render(request, "accounts/sign_up.html", {"form": form})
    if (wait := _seconds_to_wait(request)) is not None:
        form.add_error(None, f"That was often: try again in {wait} seconds.")
        answer = _again(request, "accounts/sign_up.html", form, HTTPStatus.TOO_MANY_REQUESTS)
        answer["Retry-After"] = str(wait)
        return answer
    if not form.is_valid():
        return _again(request, "accounts/sign_up.html", form)
    services.sign_up(form.cleaned_data["email"], site=request.build_absolute_uri("/")[:-1])
    return redirect("accounts:asked")


@login_not_required
@require_safe
def asked(request: HttpRequest) -> HttpResponse:
    """Say that there is a mail to wait for, and how to ask for another."""
    # A developer has no mailbox: the gateway lists what was sent.
    gateway = "" if settings.JOST_LOGIN else settings.JOST_GATEWAYS_URL
    return render(request, "accounts/asked.html", {"gateway": gateway})


@login_not_required
@never_cache
@sensitive_post_parameters("password")
@read_or_write
def activate(request: HttpRequest, token: str) -> HttpResponse:
    """Let the owner of the link choose a password and in.

    Reading the page changes nothing: programs that look at mails follow links.
    """
    try:
        user = services.account_by(token).user
        form = ActivationForm(request.POST or None, user=user)
        if request.method != "POST":
            return _private(render(request, "accounts/activate.html", _shown(form, user)))
        if not form.is_valid():
            context = _shown(form, user)
            return _private(render(request, "accounts/activate.html", context, status=422))
        user = services.activate(token, password=form.cleaned_data["password"])
    except services.LinkError as reason:
        return render(request, "accounts/no_link.html", {"reason": str(reason)}, status=410)
    login(request, user)
    messages.success(request, "Your account is active.")
    return redirect("accounts:profile")


@login_required
@never_cache
@read_or_write
def profile(request: HttpRequest) -> HttpResponse:
    """Show who one is, and take another name."""
    assert isinstance(request.user, User)
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST":
        if not form.is_valid():
            return _again(request, "accounts/profile.html", form)
        form.save()
        messages.success(request, "Saved.")
        return redirect("accounts:profile")
    return render(request, "accounts/profile.html", {"form": form, **_programs(request.user)})


@login_required
@never_cache
@require_POST
def token(request: HttpRequest) -> HttpResponse:
    """Make a token for programs, and show it this once."""
    assert isinstance(request.user, User)
    made = services.new_token(request.user)
    form = ProfileForm(instance=request.user)
    context = {"form": form, **_programs(request.user), "token": made}
    return render(request, "accounts/profile.html", context)


class SignInView(LoginView):
    """The sign-in; where nobody has an account yet, it says how the first one is made."""

    template_name = "login.html"
    redirect_authenticated_user = True

    def get_form(self, form_class: type[AuthenticationForm] | None = None) -> AuthenticationForm:
        form = super().get_form(form_class)
        form.fields["username"].label = "Name or mail address"
        return form

    def get_context_data(self, **values: Any) -> dict[str, Any]:
        return super().get_context_data(nobody_yet=not User.objects.exists(), **values)


class NewPasswordView(PasswordResetConfirmView):
    """The link of the mail to who has an account: it takes another password, once, and lets its reader in."""

    template_name = "accounts/new_password.html"
    form_class = NewPasswordForm  # type: ignore[assignment]  # as ours: one field, which can be read on a phone
    success_url = reverse_lazy("accounts:profile")
    post_reset_login = True

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        if self.validlink:
            return super().render_to_response(context, **kwargs)
        reason = {"reason": "This link was used already, was changed, or is too old."}
        return render(self.request, "accounts/no_link.html", reason, status=HTTPStatus.GONE)


def _programs(user: User) -> dict[str, object]:
    return {"since": Token.objects.filter(user=user).values_list("created", flat=True).first()}


def _seconds_to_wait(request: HttpRequest) -> int | None:
    rate = MailRate()
    if rate.allow_request(request, None):  # type: ignore[arg-type]  # asks for the address alone
        return None
    return round(rate.wait() or 0) + 1


def _again(
    request: HttpRequest,
    template: str,
    form: SignUpForm | ProfileForm,
    status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY,
) -> HttpResponse:
    return render(request, template, {"form": form}, status=status)


def _shown(form: ActivationForm, user: User) -> dict[str, object]:
    return {"form": form, "address": user.email}


def _private(answer: HttpResponse) -> HttpResponse:
    # The address of this page is the key to the account: it goes to no other site. Said to nobody at
    # all, browsers would send the form without an origin, and it would be refused.
    answer["Referrer-Policy"] = "same-origin"
    return answer
