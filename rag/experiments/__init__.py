"""Online experiments: who gets which variant, what their answers prove, and when that is enough."""
