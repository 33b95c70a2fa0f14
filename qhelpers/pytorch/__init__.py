"""The course's PyTorch networks: build, train, quantize, and their engines in NumPy."""
