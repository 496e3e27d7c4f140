"""The experiments of the paper (§4), with the product's own learning code, and what goes beyond."""
