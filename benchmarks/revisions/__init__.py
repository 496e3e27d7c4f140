"""What revising pathways gains and costs: backward transfer, pruning, sharing, removal."""
