"""A .tflite file: read it, convert to it, run it, compute it in NumPy."""
