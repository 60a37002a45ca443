"""Traces of requests and jobs by OpenTelemetry, with ``--traces``.

Needs the packages of the extra ``otel``. Nothing of this package is imported without the option.
"""
