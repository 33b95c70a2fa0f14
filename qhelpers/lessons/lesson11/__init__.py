"""Lesson 11: a language model."""
