"""Examples that ingestion wrote, as a table of DuckDB."""
