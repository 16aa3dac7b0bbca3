"""What the trainings of all models share: they report, resume, fit the machine, and end when told."""
