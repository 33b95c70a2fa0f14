"""The course's PyTorch networks, training, and engines: importing any of it imports PyTorch."""

from qhelpers import paths

paths.require("torch", extra="torch")  # where it is missing, says how to install it
# Optimizers and `torch.export` import it later, and a stop in the middle would break the kernel.
paths.require("torch._dynamo", extra="torch")
