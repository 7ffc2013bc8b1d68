"""What a person uploads on a page."""

from __future__ import annotations

from django import forms


class UploadForm(forms.Form):
    file = forms.FileField(
        label="CSV file",
        help_text="UTF-8, with commas; the first line names the columns: email, name and perhaps phone.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
    )
