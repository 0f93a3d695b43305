"""Statistics over arrays and predictions: no model, no torch.

`predictions` holds and stores answers, `metrics` sums up one run, `comparison` sets two runs
side by side. Import from those modules: this one stays empty, so that reading a prediction does
not load scipy.
"""
