"""How methods and metrics look into a network: hooks, gradients, guided ReLUs, draws."""
