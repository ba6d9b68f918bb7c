"""Alembic's entry: migrations run on the connection that ``backend.store.schema`` hands over."""

from alembic import context

from backend.store.inference_tables import InferenceRow

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=InferenceRow.metadata,
    render_as_batch=True,  # SQLite alters tables by copying them
    compare_type=True,
)
context.run_migrations()
