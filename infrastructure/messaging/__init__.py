"""NATS JetStream: the relay out, the workflows that it feeds, and what nobody could handle (design §7)."""
