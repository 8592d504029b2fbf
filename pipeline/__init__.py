"""From one YAML file to a finished run."""
