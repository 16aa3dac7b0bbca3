"""The loop, closed: simulated people, the homes that they ask, and what is served to them round by round."""
