"""The recipes: pre-train, fine-tune, evaluate, export. Run from the checkout."""
