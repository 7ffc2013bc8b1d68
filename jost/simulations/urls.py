"""Where the pages of the simulations are."""

from django.urls import path

from .views import bets, chart, exports, listing, run, start, studies

app_name = "simulations"

urlpatterns = [
    path("", listing.index, name="index"),
    path("rows/", listing.rows, name="rows"),
    path("new/", start.new, name="new"),
    path("chart/", chart.chart, name="chart"),
    path("compare/", studies.compare, name="compare"),
    path("studies/", studies.index, name="studies"),
    path("studies/compare/", studies.new_comparison, name="new-compare"),
    path("studies/sweep/", studies.new_sweep, name="new-sweep"),
    path("studies/<uuid:study_id>/", studies.detail, name="study"),
    path("studies/<uuid:study_id>/cancel/", studies.cancel, name="cancel-study"),
    path("<uuid:simulation_id>/", run.detail, name="detail"),
    path("<uuid:simulation_id>/live/", run.live, name="live"),
    path("<uuid:simulation_id>/answer/", run.answer, name="answer"),
    path("<uuid:simulation_id>/exact/", run.exact, name="exact"),
    path("<uuid:simulation_id>/moves/", run.moves, name="moves"),
    path("<uuid:simulation_id>/bets/", bets.bets, name="bets"),
    path("<uuid:simulation_id>/export/<str:kind>/", exports.export, name="export"),
    path("<uuid:simulation_id>/pause/", run.pause, name="pause"),
    path("<uuid:simulation_id>/resume/", run.resume, name="resume"),
    path("<uuid:simulation_id>/extend/", run.extend, name="extend"),
    path("<uuid:simulation_id>/cancel/", run.cancel, name="cancel"),
    path("<uuid:simulation_id>/rename/", run.rename, name="rename"),
]
