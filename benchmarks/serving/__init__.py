"""The HTTP API under load: a home with a re-ranked release, its server and a Groq beside it, and who asks."""
