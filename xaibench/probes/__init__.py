"""How a method looks into a network: hooks, gradients, guided ReLUs, draws."""
