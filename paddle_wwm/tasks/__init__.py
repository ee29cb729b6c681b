"""What the tasks of the series are beyond the network: from examples to what it reads, from its outputs to answers."""
