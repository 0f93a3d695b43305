"""From a model's name to loaded modules: weights, quantization, adapters, recipes."""
