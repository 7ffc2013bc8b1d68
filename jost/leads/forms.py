"""What a person may say of leads on a page."""

from typing import TYPE_CHECKING

from django import forms

from .models import FollowupRule, Lead, Status
from .phones import PhoneFormField

if TYPE_CHECKING:
    _LeadForm = forms.ModelForm[Lead]
    _RuleForm = forms.ModelForm[FollowupRule]
else:
    _LeadForm = _RuleForm = forms.ModelForm


class LeadForm(_LeadForm):
    """A new lead."""

    phone = PhoneFormField(help_text="A plus, the country, the number: +49 30 123456.")

    class Meta:
        model = Lead
        fields = ["phone"]


class AdminLeadForm(LeadForm):
    """A lead in the admin, which has its status, too."""

    class Meta:
        model = Lead
        fields = ["phone", "status"]


class MoveForm(forms.Form):
    """Where a lead goes."""

    status = forms.ChoiceField(choices=Status.choices)


class RuleForm(_RuleForm):
    """Who gets which message, and when."""

    class Meta:
        model = FollowupRule
        fields = ["status", "delay", "text", "enabled"]
        labels = {"status": "Who stays", "delay": "For so many minutes", "text": "Is written"}
        help_texts = {"delay": "", "text": "At most 140 characters: one SMS."}
        widgets = {"text": forms.Textarea(attrs={"rows": 3})}
