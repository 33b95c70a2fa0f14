"""Lesson 10: a network from the world."""
