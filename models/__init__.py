"""What can be made: model cards, parameter schemas, weights, prompts. No torch, no SQL."""
