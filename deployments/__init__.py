"""How Prefect runs the loop."""
