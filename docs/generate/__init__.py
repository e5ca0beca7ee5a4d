"""Generates what others read about the service from its models: docs/openapi.json, docs/schemas, the TypeScript types.

None of it is deployed. `bin/generate` writes the files, `bin/generate --check` fails where they differ from the models.
"""
