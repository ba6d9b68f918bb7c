"""Alembic's entry: migrations run on the connection that ``backend.store.schema`` hands over."""

from alembic import context

from backend.store import (  # noqa: F401 - all fill the metadata
    inference_tables,
    job_tables,
    model_tables,
    page_tables,
    policies_in_force,
    promise_tables,
)
from backend.store.columns import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite alters tables by copying them
    compare_type=True,
)
context.run_migrations()
