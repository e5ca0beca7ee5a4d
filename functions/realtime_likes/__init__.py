"""The service behind the like button: what the functions do, with no word about who runs them.

Dependencies point inward. `handlers` parse a request, call one use case and map its result; the use cases (`liking`,
`authors`, `draining`) know the outside only by the protocols in `ports`; the adapters (`postgrest_database`,
`sqs_queue`, `observability`) implement these; `compose` builds it all. The two entry points, `main.py` and `aws.py`,
lie one folder up.
"""

__version__ = "0.1.0"
