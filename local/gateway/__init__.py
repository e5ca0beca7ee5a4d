"""One door for everything: the APIs under the paths that hosted Supabase gives them, the functions, and the page.

Stands for the API gateway of Supabase (Kong in its local stack). Run as `python -m local.gateway`; see `app.py`.
"""
