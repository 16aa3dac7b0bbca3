"""Language models: Groq, local transformers, none. One protocol, metered, and no prompt paid twice."""
