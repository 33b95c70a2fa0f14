"""What every notebook uses: opening a lesson, claims, exercises, style, progress."""
