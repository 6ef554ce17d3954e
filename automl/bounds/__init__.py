"""What a trial's file holds at least, told before any work."""
