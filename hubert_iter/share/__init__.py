"""What a trained model is given to others with: its model card, and the way to a hub."""
