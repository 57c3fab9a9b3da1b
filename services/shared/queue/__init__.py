"""The queue contract: the only place that knows queue names, the actor and the brokers."""
