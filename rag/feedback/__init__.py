"""What people asked and how they reacted, counted until it is worth a retraining."""
