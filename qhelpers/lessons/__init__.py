"""What one lesson alone needs: its figures and the checks of its exercises."""
