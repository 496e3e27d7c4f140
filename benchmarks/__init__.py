"""What we claim, measured beside what a user would use instead."""
