"""What people touch: the command line; later the API and the pages."""
