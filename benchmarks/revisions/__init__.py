"""What revising pathways gains and costs: backward transfer, pruning, graceful forgetting."""
