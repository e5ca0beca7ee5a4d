"""The whole system on one machine: PostgreSQL and PostgREST, stand-ins for the rest of Supabase and SQS, our functions.

`bin/dev` runs `python -m local`. Start with `stack.py`, which says what is started and in which order.
"""
