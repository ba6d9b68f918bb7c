"""Alembic migrations, run by ``backend.store.schema``."""
