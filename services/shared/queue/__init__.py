"""The queue: contract, brokers and publisher. Only this package knows queue names and the actor."""
