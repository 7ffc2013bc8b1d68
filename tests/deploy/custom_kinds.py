"""Holds objects of KEDA and of the Prometheus Operator against the schemas of those who made their kinds.

python custom_kinds.py FILE...    exits 1 and says what is wrong; run in the environment of `make test-deploy`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

KINDS = {
    ("keda.sh/v1alpha1", "ScaledObject"): "cloudcoil.models.keda.v1alpha1",
    ("monitoring.coreos.com/v1", "PodMonitor"): "cloudcoil.models.prometheus_operator.v1",
    ("monitoring.coreos.com/v1", "PrometheusRule"): "cloudcoil.models.prometheus_operator.v1",
}


def faults(document: dict[str, Any]) -> Iterator[str]:
    """Yield what does not fit the schema of a document's kind; nothing for a kind of Kubernetes' own."""
    found = KINDS.get((document.get("apiVersion", ""), document.get("kind", "")))
    if found is None:
        return
    validator = import_module("jsonschema").Draft202012Validator
    name = f"{document['kind']} {document['metadata']['name']}"
    for error in validator(_schema(found, document["kind"])).iter_errors(document):
        where = ".".join(str(part) for part in error.absolute_path)
        yield f"{name}: {where}: {error.message[:300]}"


def _schema(module: str, kind: str) -> dict[str, Any]:
    model = getattr(import_module(module), kind)
    schema: dict[str, Any] = model.model_json_schema(by_alias=True)
    return _closed(schema)


def _closed(schema: Any) -> Any:
    """Refuse what a schema does not name, as `kubectl apply` does by default."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed


def main(paths: list[str]) -> int:
    """Say what is wrong with the documents of some files, and how many fit."""
    documents = [
        document
        for path in paths
        for document in import_module("yaml").safe_load_all(Path(path).read_text())
        if isinstance(document, dict)
    ]
    wrong = [fault for document in documents for fault in faults(document)]
    ours = [one for one in documents if (one.get("apiVersion", ""), one.get("kind", "")) in KINDS]
    sys.stdout.write("\n".join([*wrong, f"{len(ours)} objects looked at"]) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
