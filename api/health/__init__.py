"""Whether the service is well, for probes, people and Prometheus."""
