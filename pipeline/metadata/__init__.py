"""Where ML Metadata is kept: which database, whether it is whole, who holds it, its copies."""
