"""Tables, texts and numbers to predict: how well they are learned and dispatched."""
