"""What is missing for ragloop to work here, and the command that mends it."""
