"""What every use case stands on: the caller, the unit of work and the command loop."""
