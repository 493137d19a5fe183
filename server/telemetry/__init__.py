"""What Prometheus and the log see."""
