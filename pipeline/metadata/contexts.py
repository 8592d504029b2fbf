"""Where TFX keeps a pipeline, its runs and its components in ML Metadata. Others may share the database."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_metadata import MetadataStore


def read_executions(store: "MetadataStore", pipeline: str) -> list[Any]:
    """Return all executions of a pipeline's components; none before its first run."""
    context = store.get_context_by_type_and_name("pipeline", pipeline)
    return list(store.get_executions_by_context(context.id)) if context else []


def read_run_contexts(store: "MetadataStore", pipeline: str) -> list[Any]:
    """Return the contexts of all runs of a pipeline, newest first."""
    context = store.get_context_by_type_and_name("pipeline", pipeline)
    runs = store.get_children_contexts_by_context(context.id) if context else []
    return sorted(runs, key=lambda run: run.id, reverse=True)


def component_of(store: "MetadataStore", pipeline: str, execution: int) -> str:
    """Return the id of the component that an execution is of; its own number if it is of none."""
    prefix = f"{pipeline}."
    names = [str(context.name) for context in store.get_contexts_by_execution(execution)]
    return next((name.removeprefix(prefix) for name in names if name.startswith(prefix)), str(execution))
