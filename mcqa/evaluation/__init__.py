"""Statistics over arrays and predictions: no model, no torch.

Import from the modules: this one stays empty, so that reading a prediction does not load scipy.
`answers` and `pairing` make arrays of predictions; `measures`, `bias`, `groups` and `orders`
describe a run; `comparison` and `paired` two; `fitting` and `pride` make other answers of them.
"""
