"""The imperative shell: connections, repair, pipeline."""
