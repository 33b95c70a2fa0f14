"""What a model is worth: metrics, the scorecard, the error layer by layer."""
