"""How work moves, and how we reach the outside world. Only this package talks to the network."""
