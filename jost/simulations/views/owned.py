"""The simulations and studies that a page may show to whoever asks for it."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from jost.api.owners import visible_to
from jost.simulations.models import Simulation, Study


def simulations_of(request: HttpRequest) -> QuerySet[Simulation]:
    return visible_to(request.user, Simulation.objects.all())


def simulation_of(request: HttpRequest, simulation_id: UUID) -> Simulation:
    """Raises Http404 for somebody else's, too."""
    return get_object_or_404(simulations_of(request), pk=simulation_id)


def studies_of(request: HttpRequest) -> QuerySet[Study]:
    return visible_to(request.user, Study.objects.all())


def study_of(request: HttpRequest, study_id: UUID) -> Study:
    """Raises Http404 for somebody else's, too."""
    return get_object_or_404(studies_of(request), pk=study_id)
