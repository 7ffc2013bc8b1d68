"""What a person may say of leads on a page."""

from typing import TYPE_CHECKING

from django import forms

from .models import Lead, Status

if TYPE_CHECKING:
    _LeadForm = forms.ModelForm[Lead]
else:
    _LeadForm = forms.ModelForm


class LeadForm(_LeadForm):
    """A new lead."""

    class Meta:
        model = Lead
        fields = ["phone"]
        widgets = {
            "phone": forms.TextInput(attrs={"inputmode": "tel", "placeholder": "+4915112345678"})
        }


class MoveForm(forms.Form):
    """Where a lead goes."""

    status = forms.ChoiceField(choices=Status.choices)
