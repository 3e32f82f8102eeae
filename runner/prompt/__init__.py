"""What a model is told before it proposes; pure functions of a `Context`."""
