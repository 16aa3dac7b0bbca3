"""What is known of a release, as one page that a person reads."""
