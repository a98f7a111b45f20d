"""Training: one member from its cases to its checkpoint, whole or not at all, resumed after a break."""
