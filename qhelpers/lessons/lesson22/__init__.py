"""What deep dive 22 alone needs."""
