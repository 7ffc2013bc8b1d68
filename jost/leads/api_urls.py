"""Where the REST resources of leads are."""

from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from . import api

app_name = "lead"

router = SimpleRouter()
router.register("leads", api.LeadViewSet, basename="lead")
router.register("leads_events", api.LeadEventViewSet, basename="lead-event")
router.register("leads_followups", api.FollowupViewSet, basename="lead-followup")
router.register("leads_followup_rules", api.FollowupRuleViewSet, basename="lead-followup-rule")

urlpatterns: list[URLPattern | URLResolver] = [
    path("lead_event_create/", api.LeadEventCreateView.as_view(), name="lead-event-create"),
    *router.urls,
]
