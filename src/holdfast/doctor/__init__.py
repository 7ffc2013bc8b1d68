"""The doctor: says what is wrong with the project and its services, what it leads to, and how to mend it.

It reads only: no probe writes to the broker, to the database or to a file. It may be imported before Django is set
up, and says so itself where the settings do not load.
"""

from holdfast.doctor.examining import examine
from holdfast.doctor.findings import Definition, Finding, Severity, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import probe
from holdfast.doctor.report import Report

__all__ = ["Definition", "Finding", "Look", "Report", "Severity", "define", "examine", "probe"]
