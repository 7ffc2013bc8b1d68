"""The numbers as Prometheus reads them: in its text format or as OpenMetrics, by prometheus-client.

A project that shows metrics of its own registers `Collector` with its registry:

    from prometheus_client import REGISTRY
    from holdfast.metrics.exposition import Collector

    REGISTRY.register(Collector())
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from holdfast.exceptions import ConfigurationError
from holdfast.metrics.bounds import BUCKET_SECONDS, Metric
from holdfast.metrics.collector import Numbers, numbers
from holdfast.metrics.contract import CONTRACT
from holdfast.metrics.readings import Reading

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family


class Collector:
    """What a registry of prometheus-client asks; reading costs what `Numbers` says."""

    def __init__(self, source: Numbers = numbers) -> None:
        self._source = source

    def collect(self) -> Iterable[Family]:
        """Return the families of all metrics that have a value now."""
        return families(self._source.readings())

    def describe(self) -> Iterable[Family]:
        """Return the names without values: to register it asks nothing of the database."""
        return [_family(metric) for metric in CONTRACT.values()]


def exposed(*, accept: str = "", source: Numbers = numbers) -> tuple[bytes, str]:
    """Return the text and its type, in the format that whoever asks takes.

    Raises:
        ConfigurationError: prometheus-client is not installed.
    """
    try:
        from prometheus_client.exposition import choose_encoder
        from prometheus_client.registry import CollectorRegistry
    except ImportError as error:
        raise ConfigurationError(
            "Metrics are written by prometheus-client, and it is not installed: pip install 'holdfast[prometheus]'."
        ) from error
    registry = CollectorRegistry()
    collector: Any = Collector(source)
    registry.register(collector)
    encode, kind = choose_encoder(accept)
    return encode(registry), kind


def families(readings: Iterable[Reading]) -> Iterator[Family]:
    """Yield one family for each name, with its series, in the order of the contract."""
    by_name: dict[str, list[Reading]] = {}
    for one in readings:
        by_name.setdefault(one.metric.name, []).append(one)
    for metric in CONTRACT.values():
        if metric.name in by_name:
            family = _family(metric)
            for one in by_name[metric.name]:
                _add(family, one)
            yield family


def _family(metric: Metric) -> Any:
    from prometheus_client import core

    kinds: dict[str, Any] = {
        "counter": core.CounterMetricFamily,
        "gauge": core.GaugeMetricFamily,
        "histogram": core.HistogramMetricFamily,
        "info": core.InfoMetricFamily,
    }
    name = metric.name.removesuffix("_info")
    # Labels of an info are what it says.
    labels = [] if metric.kind == "info" else list(metric.labels)
    return kinds[metric.kind](name, metric.says, labels=labels)


def _add(family: Any, one: Reading) -> None:
    from prometheus_client import utils
    from prometheus_client.core import Exemplar

    labels = list(one.labels)
    if one.metric.kind == "info":
        family.add_metric([], dict(zip(one.metric.labels, labels, strict=True)))
    elif one.metric.kind == "histogram":
        bounds = [*BUCKET_SECONDS, float("inf")]
        words: Any = utils
        pairs = [(words.floatToGoString(le), n) for le, n in zip(bounds, one.buckets, strict=True)]
        family.add_metric(labels, pairs, one.value)
    elif one.example and one.metric.kind == "counter":
        at = one.example_at.timestamp() if one.example_at else None
        example = Exemplar({"job": one.example[:100]}, 1.0, at)
        family.add_metric(labels, one.value, exemplar=example)
    else:
        family.add_metric(labels, one.value)
