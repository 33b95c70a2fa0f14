"""What `python -m qhelpers quantize` and `inspect` do: any model in, files and a report out."""
