"""What a person may say of leads on a page."""

from typing import TYPE_CHECKING

from django import forms

from .models import Lead, Status
from .phones import PhoneFormField

if TYPE_CHECKING:
    _LeadForm = forms.ModelForm[Lead]
else:
    _LeadForm = forms.ModelForm


class LeadForm(_LeadForm):
    """A new lead."""

    phone = PhoneFormField()

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
