"""Lesson 20."""
