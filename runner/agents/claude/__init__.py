"""The researcher that is a Claude model, asked over the API; its tools run here, in memory."""
