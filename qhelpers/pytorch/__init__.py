"""The course's PyTorch networks: build, train, and the engines that run them."""
