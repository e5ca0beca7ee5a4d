"""Copies the likes that an application already has into the engine, while both are in use: `bin/backfill --help`.

Three steps, each of which may be interrupted and repeated: the likes of the source are noted, taken over in batches,
and compared. What has been noted once is never copied again, so that a later run brings back no like that its user has
taken back since.
"""
