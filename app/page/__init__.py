"""The page that people use. It talks to the HTTP API alone, as a team's own front end would."""
