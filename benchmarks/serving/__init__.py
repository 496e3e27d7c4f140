"""What serving costs: ours, plain FastAPI and Ray Serve's multiplexing on the same models."""
