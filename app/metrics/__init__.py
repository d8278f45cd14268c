"""Metrics: what Pannier counts of itself, for Prometheus.

    families.py   what is counted: each metric with its help, labels and buckets
    board.py      Board, Sheet: where it is counted, in memory that all workers share
    counts.py     Counts: what becomes of a request, in numbers
    models.py     which models' names become labels
    endpoints.py  which few names stand for all paths
    page.py       all of it as Prometheus reads it (loads prometheus-client)

Numbers are added to where they are; nothing is loaded for that, and nothing is summed
up, until somebody asks (docs/decisions/0019).
"""
