"""What the ledger and the broker say in numbers, for Prometheus: the same whichever process is asked.

`holdfast.metrics.contract` has the names, `holdfast.metrics.collector` reads the values, and
`holdfast.metrics.exposition` writes them as Prometheus reads them.
"""
